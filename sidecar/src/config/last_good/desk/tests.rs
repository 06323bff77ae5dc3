//! The thread that writes, beside a disk that is slow or full.

use std::sync::mpsc::{Sender, channel};

use super::*;

/// What does not come by then never comes.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than any test.
const NEVER: Duration = Duration::from_secs(3600);

/// A disk that tells what it is to write and does it when it is told how that ends.
struct Disk {
    desk: Arc<Desk>,
    metrics: Metrics,
    asked: Receiver<Vec<u8>>,
    answer: Sender<Result<Written, String>>,
    ended: Receiver<()>,
}

impl Disk {
    fn new(retry_after: Duration) -> Self {
        let (desk, metrics) = (Arc::<Desk>::default(), Metrics::new());
        let ((ask, asked), (answer, answers)) = (channel::<Vec<u8>>(), channel());
        let write = move |content: &[u8]| {
            ask.send(content.to_vec()).unwrap();
            answers.recv().unwrap_or_else(|_| Err("the test has ended".to_owned()))
        };
        let ended = Arc::clone(&desk).serve(metrics.clone(), retry_after, write).unwrap();
        Self { desk, metrics, asked, answer, ended }
    }

    fn put(&self, content: &str) {
        self.desk.put(content.as_bytes().into());
    }

    /// Waits until it writes this.
    fn writes(&self, content: &str) {
        assert_eq!(self.asked.recv_timeout(PATIENCE).as_deref(), Ok(content.as_bytes()));
    }

    fn works(&self) {
        self.answer.send(Ok(Written::New)).unwrap();
    }

    fn is_full(&self) {
        self.answer.send(Err("full".to_owned())).unwrap();
    }

    /// Closes, waits for the end, and gives what is said then.
    fn close(&self) -> Kept {
        self.desk.close();
        self.ended.recv_timeout(PATIENCE).expect_err("ends without a word");
        self.desk.kept()
    }

    fn counted(&self, result: &str, count: u64) -> bool {
        let text = self.metrics.render(&crate::status::Status::default());
        text.contains(&format!("setpoint_last_good_writes_total{{result=\"{result}\"}} {count}\n"))
    }
}

fn kept(state: KeptState, error: Option<&str>) -> Kept {
    Kept { state, error: error.map(str::to_owned) }
}

#[test]
fn l4_the_newest_wins_and_nobody_waits_for_the_disk() {
    let disk = Disk::new(NEVER);
    assert_eq!(disk.desk.kept(), kept(KeptState::Nothing, None));
    disk.put("first");
    disk.writes("first");
    // The disk has not answered; all of this returns at once.
    (0..1000).for_each(|n| disk.put(&format!("{n}")));
    disk.put("newest");
    assert_eq!(disk.desk.kept(), kept(KeptState::Saving, None));
    disk.works();
    disk.writes("newest");
    disk.works();
    assert_eq!(disk.close(), kept(KeptState::Saved, None));
    assert!(disk.asked.try_recv().is_err() && disk.counted("written", 2), "and nothing between the two");
}

#[test]
fn l4_writers_at_once_leave_one_that_was_newest() {
    let disk = Disk::new(NEVER);
    disk.put("first");
    disk.writes("first");
    std::thread::scope(|scope| {
        for n in 0..8 {
            let desk = &disk.desk;
            scope.spawn(move || (0..100).for_each(|m| desk.put(format!("{n}.{m}").as_bytes().into())));
        }
    });
    disk.works();
    let last = disk.asked.recv_timeout(PATIENCE).unwrap();
    assert!(last.ends_with(b".99"), "the last of one of them: {last:?}");
    disk.works();
    assert_eq!(disk.close().state, KeptState::Saved);
    assert!(disk.asked.try_recv().is_err());
}

#[test]
fn l4_a_full_disk_is_told_and_tried_again() {
    let disk = Disk::new(Duration::from_millis(1));
    disk.put("a");
    for _ in 0..3 {
        disk.writes("a");
        disk.is_full();
    }
    disk.writes("a");
    assert_eq!(disk.desk.kept(), kept(KeptState::Failed, Some("full")));
    assert!(disk.counted("failed", 3));
    disk.works();
    // Written before it ends, or this would not be what is said last.
    disk.put("b");
    disk.writes("b");
    disk.works();
    assert_eq!(disk.close(), kept(KeptState::Saved, None));
    assert!(disk.counted("written", 2));
}

#[test]
fn l4_something_newer_does_not_wait_for_the_time_of_the_next_try() {
    let disk = Disk::new(NEVER);
    disk.put("a");
    disk.writes("a");
    disk.put("b");
    disk.is_full();
    disk.writes("b");
    assert_eq!(disk.desk.kept(), kept(KeptState::Saving, None), "of the older one's failure nothing is said");
    disk.is_full();
    assert_eq!(disk.close(), kept(KeptState::Failed, Some("full")), "the end does not wait for it either");
}

#[test]
fn l4_the_end_waits_for_what_is_still_to_be_written() {
    let disk = Disk::new(NEVER);
    disk.put("a");
    disk.writes("a");
    disk.put("b");
    disk.desk.close();
    disk.works();
    disk.writes("b");
    disk.works();
    assert_eq!(disk.close(), kept(KeptState::Saved, None));
}
