use proptest::prelude::*;

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::domain::model::{Attribute, Ca, ClientAuth, Name, Signer};

fn certificate(organisation: &str, [from, to]: [i64; 2], sha256: u8) -> Certificate {
    let subject = [(Attribute::O, organisation.into()), (Attribute::Cn, "kubernetes-admin".into())];
    Certificate {
        subject: Name(subject.into()),
        issuer: Name::default(),
        serial: Box::default(),
        sans: Box::default(),
        not_before: UnixTime::new(from),
        not_after: UnixTime::new(to),
        sha256: Sha256([sha256; 32]),
        key_sha256: Sha256([sha256; 32]),
        is_ca: false,
        defects: Vec::new(),
        client_auth: ClientAuth::Allowed,
        signer: Signer::NoCa,
    }
}

const MASTERS: &str = "system:masters";
const ADMINS: &str = "kubeadm:cluster-admins";

fn file(uid: u32, mode: u32) -> Standing {
    Standing { uid, mode, has_other_names: false }
}

/// With its key, verified, at time 100.
fn judge(
    held: &Certificate,
    admin: &Certificate,
    replaced: u8,
    file: Standing,
) -> Result<(), Refusal> {
    let held = CopiedCredential { certificate: held, is_verified: true, is_pair: true };
    let admin = AdminCertificate { certificate: admin, replaced: Some(Sha256([replaced; 32])) };
    held.may_receive(admin, file, UnixTime::new(100))
}

#[test]
fn what_has_ended_is_worth_nothing_to_others_than_root() {
    let admin = certificate(MASTERS, [0, 900], 1);
    let ended = certificate(MASTERS, [0, 99], 2);
    let valid = certificate(MASTERS, [0, 100], 3);
    let to_come = certificate(MASTERS, [101, 900], 4);
    for (uid, mode) in [(1000, 0o600), (0, 0o640), (0, 0o604), (0, 0o620)] {
        assert_eq!(judge(&valid, &admin, 9, file(uid, mode)), Ok(()));
        assert_eq!(judge(&ended, &admin, 9, file(uid, mode)), Err(Refusal::NotValid));
        assert_eq!(judge(&to_come, &admin, 9, file(uid, mode)), Err(Refusal::NotValid));
        assert_eq!(judge(&ended, &admin, 2, file(uid, mode)), Ok(()), "what is replaced");
    }
    assert_eq!(judge(&ended, &admin, 9, file(0, 0o600)), Ok(()));
}

/// During a rotation ca.crt holds the old CA as well, and what that one signed ends with it.
#[test]
fn what_has_ended_with_its_ca_has_ended() {
    let admin = certificate(MASTERS, [0, 900], 1);
    let signed_by_one_that_ends_at = |end| {
        let path = Arc::from(Path::new("/etc/kubernetes/pki/ca.crt"));
        let not_after = UnixTime::new(end);
        let ca = Ca { path, sha256: Sha256([9; 32]), not_after, has_key: true };
        Certificate { signer: Signer::Verified(Arc::new(ca)), ..certificate(MASTERS, [0, 900], 2) }
    };
    let judge = |held| judge(&held, &admin, 9, file(1000, 0o600));
    assert_eq!(judge(signed_by_one_that_ends_at(99)), Err(Refusal::NotValid));
    assert_eq!(judge(signed_by_one_that_ends_at(100)), Ok(()));
}

/// kubeadm 1.29 gave admin.conf a group that RBAC can bind; what was bound to it must not become more.
#[test]
fn a_lesser_admin_does_not_become_one_beyond_rbac() {
    let (masters, admins) = (certificate(MASTERS, [0, 900], 1), certificate(ADMINS, [0, 900], 2));
    assert_eq!(judge(&admins, &masters, 9, file(0, 0o600)), Err(Refusal::OtherUser));
    assert_eq!(judge(&masters, &admins, 9, file(0, 0o600)), Err(Refusal::OtherUser));
    assert_eq!(judge(&masters, &admins, 1, file(7, 0o600)), Ok(()), "the renewal did the same");
}

/// An approver of certificates for servers can have admin's name in one.
#[test]
fn what_is_for_servers_makes_nobody_admin() {
    let admin = certificate(MASTERS, [0, 900], 1);
    for client_auth in [ClientAuth::Excluded, ClientAuth::Unreadable] {
        let held = Certificate { client_auth, ..certificate(MASTERS, [0, 900], 2) };
        for (replaced, file) in
            [(9, file(1000, 0o600)), (2, file(1000, 0o600)), (9, file(0, 0o600))]
        {
            assert_eq!(judge(&held, &admin, replaced, file), Err(Refusal::NotForClients));
        }
    }
}

proptest! {
    #[test]
    fn nobody_gets_more_than_he_had(
        is_verified in any::<bool>(),
        is_pair in any::<bool>(),
        is_admin in any::<bool>(),
        is_for_clients in any::<bool>(),
        from in 0..200_i64,
        to in 0..200_i64,
        sum in 0..4_u8,
        replaced in prop::option::of(0..4_u8),
        uid in 0..3_u32,
        mode in 0..=0o777_u32,
    ) {
        let admin = certificate(MASTERS, [0, 900], 8);
        let mut certificate = certificate(if is_admin { MASTERS } else { ADMINS }, [from, to], sum);
        if !is_for_clients {
            certificate.client_auth = ClientAuth::Excluded;
        }
        let held = CopiedCredential { certificate: &certificate, is_verified, is_pair };
        let replaced = replaced.map(|sum| Sha256([sum; 32]));
        let admin = AdminCertificate { certificate: &admin, replaced };
        let is_given = held.may_receive(admin, file(uid, mode), UnixTime::new(100)).is_ok();
        let is_replaced = replaced == Some(certificate.sha256);
        let is_valid = (from..=to).contains(&100);
        let is_roots = uid == 0 && mode & 0o066 == 0;
        prop_assert_eq!(
            is_given,
            is_verified && is_pair && is_for_clients && (is_replaced || is_admin && (is_valid || is_roots))
        );
    }

    #[test]
    fn a_file_is_its_owner_s_alone(
        uid in 0..4_u32,
        owner in 0..4_u32,
        mode in 0..=0o7777_u32,
        has_other_names in any::<bool>(),
    ) {
        let standing = Standing { uid, mode, has_other_names };
        prop_assert_eq!(
            standing.is_closed_file(owner),
            uid == owner && mode & 0o022 == 0 && !has_other_names
        );
    }
}
