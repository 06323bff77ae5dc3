use super::*;
use crate::outcome::Outcome;
use crate::sync::explore;
use loom::sync::Arc;
use loom::thread;

fn machine(failures: u32) -> Machine {
    let machine = Machine::new(1);
    let second = Duration::from_secs(1);
    machine.arm(Rules { failures, wait: second, longest_wait: second, ramp: second });
    machine
}

fn open() -> Machine {
    let machine = machine(1);
    let pass = machine.admit(|| 0).expect("closed");
    machine.settle(pass, Outcome::Failure, || 0);
    assert_eq!(machine.state(), State::Open);
    machine
}

const LATER: u64 = 10_000_000_000;

#[test]
fn loom_no_more_than_two_probes_are_out_at_once() {
    explore(|| {
        let machine = Arc::new(open());
        let ask = |machine: Arc<Machine>| move || machine.admit(|| LATER).ok();
        let others = [0; 2].map(|_| thread::spawn(ask(machine.clone())));
        let mut passes = vec![ask(machine.clone())()];
        passes.extend(others.map(|other| other.join().expect("no panic")));
        let passes: Vec<_> = passes.into_iter().flatten().collect();
        assert_eq!(passes.len(), 2);
        assert_eq!(machine.state(), State::HalfOpen);
        let probed = machine.tally.probed(machine.load().generation);
        assert_eq!(probed.let_out, 2, "and no more were counted");
    });
}

#[test]
fn loom_a_round_never_has_more_probes_than_its_budget() {
    explore(|| {
        let machine = Arc::new(machine(1));
        let half_open =
            Breaker::HalfOpen { round: 1, probe_max: 8, probe_total: 1, deadline: Duration::from_secs(3) };
        machine.push(&half_open, 0);
        let ask = |machine: Arc<Machine>| {
            move || {
                let pass = machine.admit(|| 0).ok();
                pass.inspect(|pass| machine.settle(*pass, Outcome::Success, || 0)).is_some()
            }
        };
        let other = thread::spawn(ask(machine.clone()));
        let let_out = [ask(machine.clone())(), other.join().expect("no panic")];
        assert_eq!(let_out.iter().filter(|out| **out).count(), 1);
        let probed = machine.probed().expect("half open by push");
        assert_eq!((probed.let_out, probed.succeeded), (1, 1));
    });
}

#[test]
fn loom_a_lost_probe_is_given_up_once() {
    explore(|| {
        let machine = Arc::new(open());
        let lost = machine.admit(|| LATER).expect("a probe");
        let too_late = LATER + 4_000_000_000;
        let other = {
            let machine = machine.clone();
            thread::spawn(move || machine.tick(too_late))
        };
        machine.settle(lost, Outcome::Success, || too_late);
        other.join().expect("no panic");
        let probed = machine.tally.probed(machine.load().generation);
        assert_eq!((probed.let_out, probed.failed, probed.succeeded), (1, 1, 0));
    });
}

#[test]
fn loom_a_straggler_never_moves_the_state() {
    explore(|| {
        let machine = Arc::new(machine(2));
        let [straggler, last] = [0; 2].map(|_| machine.admit(|| 0).expect("closed"));
        let late = {
            let machine = machine.clone();
            thread::spawn(move || machine.settle(straggler, Outcome::Failure, || 0))
        };
        machine.push(&Breaker::Closed, 0);
        machine.push(&Breaker::Local, 0);
        machine.settle(last, Outcome::Failure, || 0);
        let fresh = machine.admit(|| 0).expect("closed");
        machine.settle(fresh, Outcome::Failure, || 0);
        late.join().expect("no panic");
        assert_eq!(machine.state(), State::Closed, "one failure of this generation, two of an earlier one");
        let second = machine.admit(|| 0).expect("closed");
        machine.settle(second, Outcome::Failure, || 0);
        assert_eq!(machine.state(), State::Open, "and none of this generation is lost");
    });
}

#[test]
fn loom_two_completions_make_one_transition() {
    explore(|| {
        let machine = Arc::new(machine(2));
        let [first, second] = [0; 2].map(|_| machine.admit(|| 0).expect("closed"));
        let other = {
            let machine = machine.clone();
            thread::spawn(move || machine.settle(first, Outcome::Failure, || 0))
        };
        machine.settle(second, Outcome::Failure, || 0);
        other.join().expect("no panic");
        let word = machine.load();
        assert_eq!((word.state, word.generation), (State::Open, first.generation() + 1));
    });
}
