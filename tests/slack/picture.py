#!/usr/bin/env python3
"""Renders docs/slack.png: a page that imitates Slack, made of the very JSON that certwatch posts.

    tests/slack/picture.py docs/slack.png      # needs chromium

The JSON is the snapshot that tests/channels/forms.rs keeps true.
"""

import html
import json
import pathlib
import re
import subprocess
import sys
import tempfile

SNAPSHOT = "tests/channels/snapshots/channels__forms__slack_alert.snap"
CAPTION = "A rendering of the JSON that certwatch posts, in the manner of Slack. Not a screenshot of Slack."
WIDTH, HEIGHT = 780, 750

PAGE = """<!doctype html><meta charset="utf-8"><style>
* { box-sizing: border-box }
body { margin: 0; padding: 18px 22px 10px; width: %(width)spx; background: #fff; color: #1d1c1d;
  font: 15px/1.47 Lato, "Noto Color Emoji", sans-serif }
.message { display: flex; gap: 10px }
.avatar { flex: none; width: 36px; height: 36px; border-radius: 6px; background: #1d5fbf; color: #fff;
  font-weight: 900; display: grid; place-items: center }
.who { font-weight: 900 } .app { background: #e8e8e8; color: #616061; font-size: 10px; font-weight: 700;
  padding: 1px 3px; border-radius: 2px; vertical-align: 2px; margin: 0 6px }
.when, .context, .caption { color: #616061; font-size: 12px }
.blocks { flex: 1; min-width: 0 }
.header { font-size: 18px; font-weight: 900; margin: 6px 0 8px }
.section { margin: 0 0 8px } hr { border: 0; border-top: 1px solid #ddd; margin: 0 0 8px } .context { margin-top: 4px; font-size: 13px }
code, pre { font: 12px/1.5 "DejaVu Sans Mono", monospace; background: #f8f8f8; border: 1px solid #ddd;
  border-radius: 3px; overflow-wrap: anywhere }
code { color: #c01343; padding: 2px 3px 1px } b code { font-weight: 700 }
pre { margin: 4px 0; padding: 8px; white-space: pre-wrap; border-radius: 4px }
.caption { margin: 14px 0 0; border-top: 1px solid #ddd; padding-top: 6px }
</style>
<div class="message"><div class="avatar">cw</div><div class="blocks">
<div><span class="who">certwatch</span><span class="app">APP</span><span class="when">2:00 AM</span></div>
%(blocks)s</div></div><p class="caption">%(caption)s</p>"""


def mrkdwn(text):
    """Slack's markup as HTML; its three entities are HTML's too."""
    parts = text.split("```")
    for index, part in enumerate(parts):
        if index % 2:
            parts[index] = f"<pre>{part}</pre>"
            continue
        part = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", part.strip("\n"))
        part = re.sub(r"\*([^*\n]+)\*", r"<b>\1</b>", part)
        parts[index] = part.replace("\n", "<br>")
    return "".join(parts)


def block(it):
    kind = it["type"]
    if kind == "header":
        body = html.escape(it["text"]["text"])
    elif kind == "section":
        body = mrkdwn(it["text"]["text"])
    elif kind == "divider":
        body = "<hr>"
    elif kind == "context":
        body = " ".join(mrkdwn(element["text"]) for element in it["elements"])
    else:
        sys.exit(f"this page does not know the block {kind}")
    return f'<div class="{kind}">{body}</div>\n'


def main():
    target = pathlib.Path(sys.argv[1]).resolve()
    root = pathlib.Path(__file__).resolve().parents[2]
    snapshot = (root / SNAPSHOT).read_text(encoding="utf-8")
    message = json.loads(snapshot.split("\n---\n", 1)[1])
    blocks = "".join(block(it) for it in message["blocks"])
    with tempfile.TemporaryDirectory() as work:
        page = pathlib.Path(work, "page.html")
        page.write_text(PAGE % {"width": WIDTH, "blocks": blocks, "caption": CAPTION}, encoding="utf-8")
        subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--hide-scrollbars", f"--user-data-dir={work}/profile", f"--window-size={WIDTH},{HEIGHT}",
             f"--screenshot={target}", page.as_uri()],
            check=True, capture_output=True, timeout=120)


main()
