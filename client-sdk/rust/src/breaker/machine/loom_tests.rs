use super::*;
use crate::sync::explore;
use loom::sync::Arc;
use loom::thread;

fn half_open() -> Machine {
    let machine = Machine::new(1);
    machine.arm(Rules { failures: 1, wait: Duration::from_secs(1), longest_wait: Duration::from_secs(1) });
    let pass = machine.admit(|| 0).expect("closed");
    machine.settle(pass, Outcome::Failure, || 0);
    assert_eq!(machine.state(), State::Open);
    machine
}

const LATER: u64 = 10_000_000_000;

#[test]
fn loom_no_more_than_two_probes_are_out_at_once() {
    explore(|| {
        let machine = Arc::new(half_open());
        let ask = |machine: Arc<Machine>| move || machine.admit(|| LATER).ok();
        let others = [0; 2].map(|_| thread::spawn(ask(machine.clone())));
        let mut passes = vec![ask(machine.clone())()];
        passes.extend(others.map(|other| other.join().expect("no panic")));
        let passes: Vec<_> = passes.into_iter().flatten().collect();
        assert_eq!(passes.len(), 2);
        assert_eq!(machine.state(), State::HalfOpen);
        for pass in passes {
            machine.settle(pass, Outcome::Success, || LATER);
        }
        let third = machine.admit(|| LATER).expect("both places are free again");
        machine.settle(third, Outcome::Success, || LATER);
        assert_eq!(machine.state(), State::Closed);
    });
}

#[test]
fn loom_a_straggler_never_moves_the_state() {
    explore(|| {
        let machine = Machine::new(1);
        machine.arm(Rules {
            failures: 2,
            wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(1),
        });
        let machine = Arc::new(machine);
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
        let machine = Machine::new(1);
        machine.arm(Rules {
            failures: 2,
            wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(1),
        });
        let machine = Arc::new(machine);
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
