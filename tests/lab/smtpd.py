#!/usr/bin/python3
"""A mail server that wants TLS and a login: smtpd.py ADDRESS PORT starttls|tls|clear [CERTIFICATE KEY]

Prints its port, another than 0 if that was asked for, and then each command that matters as it hears
it, with the subject of each mail. Ends with its standard input.
"""

import asyncio
import email
import email.policy
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


def say(word):
    print(word, flush=True)


class Server(SMTP):
    """Tells what it hears."""

    async def smtp_AUTH(self, arg):
        say("AUTH " + ("TLS" if self.transport.get_extra_info("ssl_object") else "CLEAR"))
        await super().smtp_AUTH(arg)

    async def smtp_MAIL(self, arg):
        say("MAIL")
        await super().smtp_MAIL(arg)

    async def smtp_DATA(self, arg):
        say("DATA")
        await super().smtp_DATA(arg)


class Handler:
    """Takes every mail."""

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        say("TAKEN " + mail["Subject"])
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    is_right = (data.login, data.password) == (b"certwatch", b"correct horse")
    return AuthResult(success=is_right, handled=False)


async def main():
    address, port, mode, files = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:]
    context = None
    if files:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)

    def protocol():
        is_starttls = mode == "starttls"
        return Server(
            Handler(),
            hostname="mail.example.org",
            tls_context=context if is_starttls else None,
            require_starttls=is_starttls,
            auth_require_tls=is_starttls,
            auth_required=True,
            authenticator=authenticate,
        )

    loop = asyncio.get_running_loop()
    implicit = context if mode == "tls" else None
    server = await loop.create_server(protocol, address, port, ssl=implicit)
    say(server.sockets[0].getsockname()[1])
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
