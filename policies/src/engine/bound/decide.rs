//! From what the policies of a knob want to one decision, and who is said to have made it.

use std::sync::Arc;
use std::time::Duration;

use super::Bound;
use crate::admission::Admission;
use crate::arbiter::{self, Verdict};
use crate::decision::{Action, Decision, Overruled};
use crate::knob::Knob;
use crate::policy::Want;
use crate::reason::Reason;
use crate::snapshot::Instance;
use crate::time::Timestamp;
use crate::value::Value;

impl Bound {
    /// While learning only protection acts, and only to tighten what is in force; but the state of a breaker is no level
    /// that could be kept to be careful: an open one would go on rejecting on the word of a sidecar that is gone.
    pub(super) fn learn(
        &mut self,
        now: Timestamp,
        instance: &Instance,
        knob: &Knob,
        from: Value,
        left: Duration,
    ) -> Decision {
        let wants = self
            .movers()
            .map(|running| if running.policy.is_safety() { running.want } else { Want::Anything })
            .collect::<Vec<_>>();
        let wished = wants.iter().any(|want| matches!(want, Want::Set(_)));
        let held = if wished && !from.is_quantity() { Want::Anything } else { Want::Set(from) };
        let safety = arbiter::settle(knob, std::iter::once(held).chain(wants).collect::<Vec<_>>());
        match safety.winner {
            Some(winner) if winner > 0 => {
                self.decide(now, instance, knob, from, Verdict { winner: Some(winner - 1), ..safety })
            }
            _ => {
                self.wanted = from;
                let mut decision = self.decision(instance, knob, from, from, 0);
                decision.action = Action::Hold;
                decision.reason = Reason::Learning { left };
                decision
            }
        }
    }

    /// What the policies want together, as far as the guard lets it pass.
    pub(super) fn decide(
        &mut self,
        now: Timestamp,
        instance: &Instance,
        knob: &Knob,
        from: Value,
        verdict: Verdict,
    ) -> Decision {
        self.capped = verdict.capped;
        let (to, guarded) = self.guard.pass(now, knob, self.wanted, verdict.value);
        // Whoever gets more because a cap let go has changed nothing: the one that let go says why.
        let deciding = self.cap.filter(|_| !verdict.capped && arbiter::tighter(knob, &self.wanted, &to));
        self.cap = if verdict.capped { verdict.winner } else { self.cap.filter(|_| to != verdict.value) };
        let deciding = deciding.or(verdict.winner).unwrap_or(0);
        let mut decision = self.decision(instance, knob, from, to, deciding);
        decision.guarded = guarded;
        decision
    }

    fn decision(&self, instance: &Instance, knob: &Knob, from: Value, to: Value, winner: usize) -> Decision {
        let overruled =
            self.movers().enumerate().filter(|(index, _)| *index != winner).map(|(_, running)| Overruled {
                policy: Arc::clone(&running.spec.name),
                allows: match running.want {
                    Want::Set(value) => Some(value.scalar()),
                    Want::AtMost(bound) => Some(bound),
                    _ => None,
                },
                reason: running.proposal.reason,
            });
        let deciding = &self.policies[winner];
        // A move is explained by what made the wish, a hold by what keeps it.
        let moves = to != self.wanted;
        Decision {
            id: 0,
            instance: instance.id.clone(),
            knob: knob.name.clone(),
            from,
            to,
            admission: self.admission(),
            action: deciding.proposal.action,
            policy: Arc::clone(&deciding.spec.name),
            reason: if moves { deciding.cause } else { deciding.proposal.reason },
            guarded: None,
            overruled: overruled.collect(),
        }
    }

    fn admission(&self) -> Admission {
        self.policies.iter().fold(Admission::default(), |known, running| known.or(running.policy.admission()))
    }
}
