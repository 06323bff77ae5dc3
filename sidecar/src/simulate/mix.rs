//! Who gets what: calls of several classes, or of several instances.
//!
//! Figures of all together hide the one thing that priorities are for: a law can have the best goodput of all and refuse the calls
//! that matter. So each class has its own share of answers in time, and several instances say how well their limits fit their calls.

use super::report::{Outcome, Report};
use super::scenario_file::PRIORITIES;

/// What the rows say, for people.
pub(super) fn title(report: &Report) -> String {
    let classes = if report.scenario.classes.len() > 1 { " by class" } else { "" };
    let fairness = if several(report) { "; fairness of the limits of instances, 1 is best" } else { "" };
    format!("Share of the attempts answered in time{classes}{fairness}")
}

/// The title and a row for each law; `None` where all calls are alike and come through one instance.
pub(super) fn rows(report: &Report) -> Option<Vec<Vec<String>>> {
    let classes = &report.scenario.classes;
    if classes.len() < 2 && !several(report) {
        return None;
    }
    let class = |class: &setpoint_policies::sim::scenario::Class| {
        let priority = PRIORITIES.get(usize::from(class.priority)).copied().unwrap_or("?");
        format!("{} ({priority})", class.name)
    };
    let mut titles = vec!["law".to_owned()];
    titles.extend(classes.iter().map(class));
    titles.extend(several(report).then(|| "fairness".to_owned()));
    Some(std::iter::once(titles).chain(report.laws.iter().map(|law| row(report, law))).collect())
}

fn row(report: &Report, law: &Outcome) -> Vec<String> {
    let mut row = vec![law.name.to_owned()];
    row.extend(law.figures.classes.iter().map(|share| format!("{:.1} %", share * 100.0)));
    let fairness = law.figures.fairness.map_or("-".to_owned(), |index| format!("{index:.3}"));
    row.extend(several(report).then_some(fairness));
    row
}

fn several(report: &Report) -> bool {
    report.scenario.instances.len() > 1
}
