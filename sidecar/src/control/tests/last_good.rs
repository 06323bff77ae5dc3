//! A loop that is started again in the same place, and one whose state directory is of no use.

use std::time::Instant;

use super::*;
use crate::status::KeptState;

/// The thread that writes lives in real time, and this is plenty of it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Keeps what runs in `directory/state`.
fn keeping(directory: TempDir) -> Ticking {
    Ticking::built(directory, |control, directory, metrics| control.keeping(last_good(directory, metrics)))
}

fn last_good(directory: &Path, metrics: Metrics) -> LastGood {
    LastGood::start(&directory.join("state"), &directory.join("config"), metrics).expect("a thread")
}

/// A loop whose policy is kept.
async fn kept() -> Ticking {
    let directory = tempfile::tempdir().expect("a temporary directory");
    write(directory.path(), GOOD);
    let ticking = keeping(directory);
    ticking.comes_to(KeptState::Saved).await;
    ticking
}

impl Ticking {
    async fn comes_to(&self, state: KeptState) {
        let began = Instant::now();
        while self.config().kept.state != state {
            assert!(began.elapsed() < PATIENCE, "{:?}", self.config());
            millis(100).await;
        }
    }

    /// The next life in the same directory, in which this happens in between.
    async fn again(self, between: impl FnOnce(&Path)) -> Self {
        let Self { directory, loop_task, .. } = self;
        loop_task.abort();
        assert!(loop_task.await.expect_err("aborted").is_cancelled());
        between(directory.path());
        let ticking = keeping(directory);
        millis(50).await;
        ticking
    }
}

#[tokio::test(start_paused = true)]
async fn l4_a_restart_with_a_bad_file_goes_on_with_the_last_good_one() {
    let ticking = kept().await;
    let revision = ticking.config().revision;
    let ticking = ticking.again(|directory| write(directory, &GOOD.replace("min: 4", "min: -4"))).await;
    let config = ticking.config();
    assert_eq!((config.state, config.restored, &config.revision), (Runs::LastGood, true, &revision));
    assert!(config.error.expect("told").starts_with("policy.yaml:6:"), "what is wrong with the file");
    let mut sdk = ticking.rig.session(hello("a")).await;
    assert_eq!(sdk.frame().await.channel, Channel::Safety, "its policies act");
    let metrics = ticking.rig.metrics();
    assert!(metrics.contains("setpoint_config_state{state=\"last_good\"} 1"), "{metrics}");
    assert!(metrics.contains("setpoint_reloads_total{result=\"rejected\"} 1"), "{metrics}");
    ticking.comes_to(KeptState::Saved).await;

    ticking.write(GOOD);
    millis(300).await;
    let config = ticking.config();
    assert_eq!((config.state, config.restored, config.error), (Runs::Active, false, None));
    assert_eq!(config.revision, revision);
}

#[tokio::test(start_paused = true)]
async fn l4_an_edit_is_what_the_next_restart_runs() {
    let ticking = kept().await;
    let first = ticking.config().revision;
    ticking.write(&GOOD.replace("min: 4", "min: 5"));
    millis(300).await;
    let second = ticking.config().revision;
    assert_ne!(first, second);
    ticking.comes_to(KeptState::Saved).await;
    ticking.write("");
    millis(300).await;
    assert_eq!((ticking.config().state, ticking.config().restored), (Runs::LastGood, false));
    let removed = |directory: &Path| std::fs::remove_dir_all(directory.join("config")).expect("removed");
    let ticking = ticking.again(removed).await;
    assert_eq!((ticking.config().restored, ticking.config().revision), (true, second));
}

/// What happens between two lives, and what is said of it.
type Case<'a> = (&'a dyn Fn(&Path), KeptState, Option<&'a str>);

#[tokio::test(start_paused = true)]
async fn l4_what_is_kept_and_of_no_use_is_told_and_nothing_is_moved() {
    let file = |directory: &Path| directory.join("state/last-good.yaml");
    let nonsense = |directory: &Path| std::fs::write(file(directory), "nonsense").expect("written");
    let gone = |directory: &Path| std::fs::remove_file(file(directory)).expect("removed");
    // As of a sidecar whose parser was of another mind; dropping it waits for the write.
    let refused = |directory: &Path| last_good(directory, Metrics::new()).keep(b"version: 1\n"[..].into());
    let cases: [Case<'_>; 3] = [
        (&nonsense, KeptState::Refused, Some("is damaged, or was not written by a sidecar")),
        (&refused, KeptState::Refused, Some("last-good.yaml:1:10: `version`")),
        (&gone, KeptState::Nothing, None),
    ];
    for (between, state, says) in cases {
        let ticking = kept().await;
        ticking.write("");
        let ticking = ticking.again(between).await;
        let config = ticking.config();
        assert_eq!((config.state, config.restored), (Runs::ObserveOnly, false), "{says:?}");
        assert_eq!(config.kept.state, state);
        assert_eq!(config.kept.error.is_some(), says.is_some());
        let error = config.kept.error.unwrap_or_default();
        assert!(error.contains(says.unwrap_or_default()), "{error}");
        ticking.write(GOOD);
        ticking.comes_to(KeptState::Saved).await;
        assert_eq!(ticking.config().kept.error, None, "put right");
    }
}

#[tokio::test(start_paused = true)]
async fn l4_a_state_directory_that_cannot_be_costs_nothing_but_the_copy() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("state"), "in the way").expect("written");
    write(directory.path(), GOOD);
    let ticking = keeping(directory);
    ticking.comes_to(KeptState::Failed).await;
    assert_eq!(ticking.config().state, Runs::Active);
    let metrics = ticking.rig.metrics();
    assert!(metrics.contains("setpoint_last_good_state{state=\"failed\"} 1"), "{metrics}");
    assert!(metrics.contains("setpoint_last_good_writes_total{result=\"failed\"} 1"), "{metrics}");
}
