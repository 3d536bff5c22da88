//! The kubelet's own certificates: what is due of them, and the way to another one.
//!
//! The kubelet rotates its client certificate at a moment between 70 and 90 % of its life, and sleeps until then on a
//! clock that stands still while the machine is suspended, and that nobody sets. At its start it goes by the real one.
//! The serving certificate that it signs itself is made where there is none, and renewed by nobody.

use crate::domain::layout::{KUBELET_CURRENT, KUBELET_PKI, KUBERNETES, as_known};
use crate::domain::model::{Attribute, Certificate, Entry, Inventory, Item, Signer};
use crate::domain::role::{KUBELET_CLIENT, KUBELET_CONF, KUBELET_SERVING};
use crate::domain::time::{Span, UnixTime};

use super::kubelet_renewal::{KubeletRenewal, KubeletWay};
use super::plan::{RenewalPolicy, Selection, Skip, SkipReason};

/// Past this part of its life the client certificate has been rotated, if the kubelet does so at all
/// (`jitteryDuration` in client-go's util/certificate).
const ROTATED_BY: (i32, i32) = (9, 10);

/// What a rotation that has just begun is given, at most.
const MARGIN: Span = Span::hours(1);

/// True for the names of the certificates that this is about.
pub(crate) fn knows(name: &str) -> bool {
    [KUBELET_CLIENT.id, KUBELET_SERVING.id].contains(&name)
}

/// What is to be done at `now` of what `selection` asks for, one at a time: without a client certificate the kubelet is of
/// no use, and the restart for its serving certificate rotates the client's as well.
pub(crate) fn next(
    inventory: &Inventory,
    selection: &Selection,
    policy: &RenewalPolicy,
    now: UnixTime,
) -> Option<KubeletRenewal> {
    let renewals = [KUBELET_CLIENT.id, KUBELET_SERVING.id]
        .map(|name| judge(name, inventory, selection, policy, now)?.ok());
    let [client, serving] = renewals;
    client.filter(|it| it.way == KubeletWay::Recovery).or(serving).or(client)
}

/// Whether this certificate is renewed, and if not, why; `None` if nobody asks for it, or if it is not there.
pub(crate) fn judge(
    name: &str,
    inventory: &Inventory,
    selection: &Selection,
    policy: &RenewalPolicy,
    now: UnixTime,
) -> Option<Result<KubeletRenewal, Skip>> {
    let is_named =
        matches!(selection, Selection::Named(names) if names.iter().any(|it| it == name));
    let is_due = matches!(selection, Selection::All | Selection::Due | Selection::Kubelet);
    let deadline = policy.kubelet.filter(|_| is_due).or(is_named.then_some(policy.before))?;
    let settings = inventory.components.kubelet;
    let item = item(name, inventory, now)?;
    let certificate = item.certificate()?;
    let way = if name == KUBELET_SERVING.id {
        serving(certificate, is_named, settings.makes_serving, policy, now)?
    } else {
        let never_rotated = settings.rotates == Some(false);
        let limit = || (is_named, given_from(certificate, deadline));
        let way = client(item, certificate, never_rotated.then(limit), now);
        // What is due of it would be done in the wrong place.
        match way {
            Ok(_) | Err(SkipReason::RotationOff(_)) if settings.is_elsewhere => {
                Err(SkipReason::KubeletElsewhere)
            }
            way => way,
        }
    };
    let ends = certificate.not_after;
    let skip = |why| Skip { name: name.to_owned(), ends: Some(ends), why };
    Some(way.map(|way| KubeletRenewal { way, ends }).map_err(skip))
}

/// When the next of them will be due by itself, if it is not at `now`.
pub(crate) fn next_due(
    inventory: &Inventory,
    policy: &RenewalPolicy,
    now: UnixTime,
) -> Option<UnixTime> {
    let names = [KUBELET_CLIENT.id, KUBELET_SERVING.id].into_iter();
    names.filter_map(|name| due_at(name, inventory, policy, now)).filter(|at| *at > now).min()
}

/// When this certificate is or was due by itself; `None` if it is left to somebody else.
pub(crate) fn due_at(
    name: &str,
    inventory: &Inventory,
    policy: &RenewalPolicy,
    now: UnixTime,
) -> Option<UnixTime> {
    let deadline = policy.kubelet?;
    let verdict = judge(name, inventory, &Selection::Kubelet, policy, now)?;
    let is_left =
        |skip: &Skip| !matches!(skip.why, SkipReason::NotDue | SkipReason::RotationOff(_));
    if verdict.err().as_ref().is_some_and(is_left) {
        return None;
    }
    let item = item(name, inventory, now)?;
    let certificate = item.certificate()?;
    Some(match inventory.components.kubelet.rotates {
        _ if name == KUBELET_SERVING.id && !is_made_by_kubelet(certificate) => return None,
        _ if name == KUBELET_SERVING.id => due_from(certificate, policy),
        Some(false) => given_from(certificate, deadline),
        _ if item.role == &KUBELET_CLIENT => overdue_from(certificate),
        _ => certificate.not_after,
    })
}

/// The certificate of this name that is in use.
pub(crate) fn item<'a>(name: &str, inventory: &'a Inventory, now: UnixTime) -> Option<&'a Item> {
    if name == KUBELET_SERVING.id { serving_item(inventory) } else { client_item(inventory, now) }
}

/// One that is never rotated is given up for another when somebody asks for that by its name, or within its deadline.
fn client(
    item: &Item,
    certificate: &Certificate,
    never_rotated: Option<(bool, UnixTime)>,
    now: UnixTime,
) -> Result<KubeletWay, SkipReason> {
    let ends = certificate.not_after;
    let is_overdue = overdue_from(certificate) <= now;
    let is_wanted = |(is_named, from)| is_named || from <= now;
    if ends <= now || never_rotated.is_some_and(is_wanted) {
        return gives(item, certificate, now).map(|()| KubeletWay::Recovery);
    }
    match never_rotated {
        Some((_, from)) if is_overdue => Err(SkipReason::RotationOff(from)),
        // What is in a kubelet.conf, no kubelet rotates.
        None if is_overdue && item.role == &KUBELET_CLIENT => {
            gains(certificate, now).map(|()| KubeletWay::Rotation)
        }
        _ => Err(SkipReason::NotDue),
    }
}

/// What is left over beside another certificate, which the kubelet is given or requests, is nobody's concern.
fn serving(
    certificate: &Certificate,
    is_named: bool,
    is_used: bool,
    policy: &RenewalPolicy,
    now: UnixTime,
) -> Option<Result<KubeletWay, SkipReason>> {
    const OTHER: &str = "the kubelet does not serve kubelet.crt, but what it is given (tlsCertFile, --tls-cert-file) or \
                         requests (serverTLSBootstrap; see `kubectl get csr`)";
    if !is_used {
        return is_named.then_some(Err(SkipReason::NotKubeadms(OTHER)));
    }
    Some(match is_made_by_kubelet(certificate) {
        _ if !is_named && due_from(certificate, policy) > now => Err(SkipReason::NotDue),
        false if is_named => Err(SkipReason::NotKubeadms("its issuer renews it")),
        false => Err(SkipReason::NotDue),
        true => Ok(KubeletWay::Serving),
    })
}

/// The client certificate that the kubelet uses: its own, or the one in its kubelet.conf where that is of more use, or
/// where it never rotates and has eyes for nothing else.
fn client_item(inventory: &Inventory, now: UnixTime) -> Option<&Item> {
    let own = inventory.items.iter().find(|item| {
        is_at(item, KUBELET_PKI, KUBELET_CURRENT[0]) && item.place.entry == Entry::Pem(0)
    });
    let own = own.filter(|item| item.certificate().is_some());
    let is_good = |item: &&Item| item.certificate().is_some_and(|it| it.not_after > now);
    let embedded = inventory.items.iter().find(|item| {
        is_at(item, KUBERNETES, KUBELET_CONF.id)
            && matches!(item.place.entry, Entry::User { index: 0, .. })
            && item.certificate().is_some()
    });
    if inventory.components.kubelet.rotates == Some(false) {
        return embedded.or(own);
    }
    own.filter(is_good).or(embedded).or(own)
}

/// The serving certificate that the kubelet makes for itself, whether or not it uses that.
fn serving_item(inventory: &Inventory) -> Option<&Item> {
    let is_it =
        |item: &&Item| is_at(item, KUBELET_PKI, "kubelet.crt") && item.place.entry == Entry::Pem(0);
    inventory.items.iter().find(is_it)
}

fn is_at(item: &Item, dir: &str, name: &str) -> bool {
    let path = as_known(&item.place.path);
    path.parent().is_some_and(|it| it.as_os_str() == dir) && path.ends_with(name)
}

fn overdue_from(certificate: &Certificate) -> UnixTime {
    let (life, (numerator, denominator)) = (certificate.lifetime(), ROTATED_BY);
    let margin = life.fraction(1, 100).min(MARGIN);
    certificate.not_before + life.fraction(numerator, denominator) + margin
}

/// A new one that is due at once would be made day after day.
fn due_from(certificate: &Certificate, policy: &RenewalPolicy) -> UnixTime {
    let life = certificate.lifetime();
    certificate.not_after - policy.lead(life).min(life.fraction(1, 3))
}

/// When one that is never rotated is given up for another: like that one, it has to be good for a while.
fn given_from(certificate: &Certificate, deadline: Span) -> UnixTime {
    certificate.not_after - deadline.min(certificate.lifetime().fraction(1, 3))
}

/// A person may have put one there: that is not the kubelet's to replace. Its own are `HOST@SECONDS`, signed by
/// `HOST-ca@SECONDS` (`GenerateSelfSignedCertKey` in client-go's util/cert).
fn is_made_by_kubelet(certificate: &Certificate) -> bool {
    let host = |name: &str| {
        let (host, seconds) = name.rsplit_once('@')?;
        let is_number = !seconds.is_empty() && seconds.bytes().all(|it| it.is_ascii_digit());
        is_number.then(|| host.to_owned())
    };
    let [own, issuer] =
        [&certificate.subject, &certificate.issuer].map(|it| host(&it.value(&Attribute::Cn)));
    own.is_some_and(|own| issuer == Some(format!("{own}-ca")))
}

/// Whether a certificate that kube-controller-manager signs now ends later.
fn gains(certificate: &Certificate, now: UnixTime) -> Result<(), SkipReason> {
    match certificate.signer.bound() {
        Some(ca) if ca.not_after <= now => Err(SkipReason::CaExpired(ca.not_after)),
        Some(ca) if ca.not_after <= certificate.not_after => {
            Err(SkipReason::CaTooShort(ca.not_after))
        }
        _ => Ok(()),
    }
}

/// Whether this node can sign one itself.
fn gives(item: &Item, certificate: &Certificate, now: UnixTime) -> Result<(), SkipReason> {
    match &certificate.signer {
        Signer::Refused(_) => Err(SkipReason::OtherCa),
        _ if item.has_key == Some(false) => Err(SkipReason::ExternalCa),
        _ => gains(certificate, now),
    }
}

#[cfg(test)]
mod tests;
