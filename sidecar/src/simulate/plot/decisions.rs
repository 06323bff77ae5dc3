//! What a law decided, in lines that can be read: moves in one direction for one reason are one line.

/// Moves further apart than this are two stories, seconds.
const APART: f64 = 1.0;

/// Moves in one direction, one soon after the other.
#[derive(Debug, Clone, PartialEq)]
struct Story {
    begin: f64,
    end: f64,
    instance: usize,
    from: f64,
    to: f64,
    steps: usize,
    /// Of the first move.
    reason: String,
}

/// At most `most` lines, and how many stories there are altogether. Instances are named when there are several.
pub(in crate::simulate) fn lines(
    log: &[(f64, usize, String)],
    instances: usize,
    most: usize,
) -> (Vec<String>, usize) {
    let mut stories: Vec<Story> = Vec::new();
    for (at, instance, text) in log {
        let Some((from, to, reason)) = parse(text) else { continue };
        let last = stories.iter_mut().rev().find(|story| story.instance == *instance);
        match last.filter(|story| story.goes_on(*at, from, to, reason)) {
            Some(story) => (story.end, story.to, story.steps) = (*at, to, story.steps + 1),
            None => {
                let (begin, end, instance) = (*at, *at, *instance);
                stories.push(Story { begin, end, instance, from, to, steps: 1, reason: reason.to_owned() });
            }
        }
    }
    let all = stories.len();
    (stories.iter().take(most).map(|story| story.line(instances > 1)).collect(), all)
}

/// `50.0 -> 25.0: reason`, as a law's log has it.
fn parse(text: &str) -> Option<(f64, f64, &str)> {
    let (move_, reason) = text.split_once(": ")?;
    let (from, to) = move_.split_once(" -> ")?;
    Some((from.parse().ok()?, to.parse().ok()?, reason))
}

/// What a reason says, without its numbers.
fn words(reason: &str) -> impl Iterator<Item = &str> {
    reason.split(' ').filter(|word| !word.contains(|c: char| c.is_ascii_digit()))
}

impl Story {
    fn goes_on(&self, at: f64, from: f64, to: f64, reason: &str) -> bool {
        at - self.end <= APART
            && (to > from) == (self.to > self.from)
            && words(reason).eq(words(&self.reason))
    }

    fn line(&self, named: bool) -> String {
        let instance = if named { format!("  #{}", self.instance) } else { String::new() };
        let steps = match self.steps {
            1 => String::new(),
            steps => format!(" ({steps} steps until {:.1} s)", self.end),
        };
        let (begin, from, to, reason) = (self.begin, self.from, self.to, &self.reason);
        format!("{begin:7.1} s{instance}  limit {from:.0} -> {to:.0}{steps}: {reason}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(entries: &[(f64, usize, &str)]) -> Vec<(f64, usize, String)> {
        entries.iter().map(|(at, instance, text)| (*at, *instance, (*text).to_owned())).collect()
    }

    #[test]
    fn moves_for_one_reason_are_one_line() {
        let log = log(&[
            (1.0, 0, "50.0 -> 55.0: limit in use, latency 1.02 x baseline"),
            (1.2, 0, "55.0 -> 61.0: limit in use, latency 1.10 x baseline"),
            (1.4, 0, "61.0 -> 40.0: 9 calls dropped, 10 % of all"),
            (9.0, 0, "40.0 -> 20.0: 8 calls dropped, 11 % of all"),
            (9.1, 0, "nothing that a law says"),
        ]);
        let (lines, all) = lines(&log, 1, 10);
        assert_eq!(all, 3);
        assert_eq!(
            lines,
            [
                "    1.0 s  limit 50 -> 61 (2 steps until 1.2 s): limit in use, latency 1.02 x baseline",
                "    1.4 s  limit 61 -> 40: 9 calls dropped, 10 % of all",
                "    9.0 s  limit 40 -> 20: 8 calls dropped, 11 % of all",
            ]
        );
    }

    #[test]
    fn instances_have_stories_of_their_own() {
        let log = log(&[
            (1.0, 0, "5 -> 6: a"),
            (1.1, 1, "7 -> 8: a"),
            (1.2, 0, "6 -> 7: a"),
            (1.3, 1, "8 -> 7: a"),
        ]);
        let (lines, all) = lines(&log, 2, 1);
        assert_eq!(
            (lines, all),
            (vec!["    1.0 s  #0  limit 5 -> 7 (2 steps until 1.2 s): a".to_owned()], 3)
        );
    }
}
