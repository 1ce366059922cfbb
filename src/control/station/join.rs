//! Joining: a host with a join token gets a member id from the log and a certificate from the CA. The
//! CA's key lies on one host; the others hand the request on to it. Becoming part of the group follows
//! by itself, once the log knows the member.

use std::time::{Duration, SystemTime};

use aegis_updates_raft::network::{JOIN, PeerIdentity};
use aegis_updates_raft::pki::Authority;

use super::Station;
use crate::base::ids::MemberId;
use crate::base::version;
use crate::control::clock::wall_ms;
use crate::control::peers::client;
use crate::control::peers::wire::{Admitted, JoinAnswer, JoinAsk, Written};
use crate::machine::command::Command;
use crate::machine::refusal::{Refusal, Unfit};
use crate::machine::state::Reply;

/// A write, a signature, and one hop.
const HAND_ON_TIMEOUT: Duration = Duration::from_secs(5);

impl Station {
    pub async fn join(&self, from: PeerIdentity, ask: JoinAsk) -> JoinAnswer {
        if let Some(authority) = &self.authority {
            return self.admit(authority, ask).await;
        }
        match from {
            PeerIdentity::Anonymous => self.hand_on(ask).await,
            PeerIdentity::Member(_) => {
                JoinAnswer::NoAuthority("this member does not hold the CA's key".to_owned())
            }
        }
    }

    async fn admit(&self, authority: &Authority, ask: JoinAsk) -> JoinAnswer {
        let host = match ask.joiner.peer.rsplit_once(':') {
            Some((host, _)) => host.trim_matches(['[', ']']).to_owned(),
            None => ask.joiner.peer.clone(),
        };
        // It would stop at the first entry that it does not know.
        let version = self.replica.state().head.version;
        let supports = ask.supports.unwrap_or(version::Supported::FIRST);
        if !supports.includes(version) {
            let members = vec![Unfit {
                node: ask.joiner.node,
                supports: Some(supports),
            }];
            return JoinAnswer::Refused(Refusal::VersionUnsupported { version, members });
        }
        let call = self.replica.own(Command::Join(ask.joiner));
        let (member, incarnation, cluster) = match self.replica.submit(call).await {
            Err(lost) => return JoinAnswer::Unanswered(lost),
            Ok(Written { result, .. }) => match result {
                Ok(Reply::Joined {
                    member,
                    incarnation,
                    cluster,
                }) => (member, incarnation, cluster),
                Ok(other) => {
                    return JoinAnswer::Refused(Refusal::Internal {
                        detail: format!("joining was answered with {other:?}"),
                    });
                }
                Err(refusal) => return JoinAnswer::Refused(refusal),
            },
        };
        let now = wall_ms(&self.replica.clock().now());
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(now);
        match authority.issue(&ask.csr_pem, &cluster, member.0, &[host], now) {
            Ok(certificate_pem) => {
                tracing::info!(%member, "a host was admitted");
                JoinAnswer::Admitted(Admitted {
                    cluster,
                    incarnation,
                    member,
                    certificate_pem,
                    authority_pem: authority.certificate_pem().to_owned(),
                })
            }
            Err(error) => JoinAnswer::NoAuthority(error.to_string()),
        }
    }

    async fn hand_on(&self, ask: JoinAsk) -> JoinAnswer {
        let me = self.replica.me();
        let others: Vec<_> = self.replica.consensus().nodes.into_keys().collect();
        let peers = self.replica.member().peer_client();
        let mut last = "no other member is known".to_owned();
        for other in others.into_iter().map(MemberId).filter(|id| *id != me) {
            match client::ask(&peers, other, JOIN, &ask, HAND_ON_TIMEOUT).await {
                Ok(JoinAnswer::NoAuthority(reason)) => last = reason,
                Ok(answer) => return answer,
                Err(error) => last = error.to_string(),
            }
        }
        JoinAnswer::NoAuthority(format!(
            "the member that holds the CA's key was not reached: {last}"
        ))
    }
}
