//! The report as a page: one file without scripts, fonts or anything else from elsewhere, for light and dark screens.
//!
//! Laws are switched on and off with check boxes and CSS alone. Texts of scenarios are escaped: a file of somebody else must
//! not run anything in a browser.

use std::fmt::Write;

use super::laws;
use super::mix;
use super::plot::decisions;
use super::report::Report;
use super::series::Point;
use super::table::{TITLES, cells, facts, seconds};

mod chart;

use chart::{Chart, Look, is_ours};

/// Laws that are shown at first, beside ours and the oracle.
const SHOWN: usize = 3;
/// Lines of the log of decisions.
const DECISIONS: usize = 2000;
/// Colours that can be told apart on light and dark paper; after these come dashes.
const COLOURS: [&str; 8] =
    ["#2f7ed8", "#2a9d5c", "#9b5de5", "#c2448f", "#0f9aa8", "#a97c00", "#7a6a5d", "#5f6fd3"];
const DASHES: [&str; 3] = ["none", "7 3", "2 3"];

/// The page.
pub(super) fn page(reports: &[Report]) -> String {
    let title = match reports {
        [one] => format!("Setpoint simulation: {}", one.scenario.name),
        several => format!("Setpoint simulation: {} scenarios", several.len()),
    };
    let title = escape(&title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{}</style>\n</head>\n<body>\n<h1>Setpoint simulation</h1>\n{}",
        include_str!("html/style.css"),
        explanation()
    );
    if reports.len() > 1 {
        page += "<nav>";
        for (number, report) in reports.iter().enumerate() {
            push(&mut page, format_args!("<a href=\"#s{number}\">{}</a>", escape(&report.scenario.name)));
        }
        page += "</nav>\n";
    }
    for (number, report) in reports.iter().enumerate() {
        section(&mut page, number, report);
    }
    page + "</body>\n</html>\n"
}

fn explanation() -> String {
    "<p class=\"soft\">Curves are of the first seed, figures of all; what is off the scale runs along the upper edge. The oracle is the best limit of each phase, found in hindsight; \
     p99 is of admitted calls, in overload once that has settled; false rejects are of phases without overload, which are those without \
     a tint; convergence is the time from the worst change until goodput is 90&nbsp;% of the oracle's; oscillation is the limit's \
     standard deviation over its mean at steady load.</p>\n"
        .to_owned()
}

fn section(page: &mut String, number: usize, report: &Report) {
    let scenario = &report.scenario;
    let looks = looks(report);
    let (name, about) = (escape(&scenario.name), escape(&scenario.about));
    push(page, format_args!("<section id=\"s{number}\">\n<h2>{name}</h2>\n<p>{about}</p>\n"));
    let deadline = scenario.shortest_deadline();
    push(
        page,
        format_args!("<p class=\"soft\">{}, deadline {}</p>\n", escape(&facts(report)), seconds(deadline)),
    );
    table(page, report);
    legend(page, number, report, &looks);
    *page += "<div class=\"charts\">\n";
    for chart in charts(report, deadline) {
        *page += &chart.figure(report, &looks);
    }
    *page += "</div>\n";
    log(page, report);
    *page += "</section>\n";
}

fn charts(report: &Report, deadline: f64) -> [Chart; 4] {
    // The scales are those of the curves that are shown at first: one law that lets everything in must not flatten them.
    let hidden = hidden(report);
    let shown = |figure: fn(&Point) -> Option<f64>| {
        let laws = report.laws.iter().filter(|law| !hidden.contains(&law.name));
        laws.map(|law| law.series.most(figure)).fold(0.0, f64::max)
    };
    let calls = shown(|point| Some(point.in_flight)) * 1.5;
    let chart = |title, unit: String, ceiling, figure| Chart {
        title,
        unit,
        figure,
        factor: 1.0,
        ceiling,
        mark: None,
        behind: None,
    };
    let latency = (shown(|point| point.p99) * 1.2).min(deadline * 3.0);
    [
        chart("Limit", "calls at once".to_owned(), calls, |point| point.limit),
        chart("In flight", "calls at once".to_owned(), calls, |point| Some(point.in_flight)),
        Chart {
            factor: 1e3,
            mark: Some(deadline),
            ..chart(
                "Latency, p99",
                format!("ms, deadline {} (dashed)", seconds(deadline)),
                latency,
                |point| point.p99,
            )
        },
        Chart {
            behind: Some(|point| Some(point.offered)),
            ..chart(
                "Goodput",
                "answers in time per second; offered (dashed)".to_owned(),
                f64::INFINITY,
                |point| Some(point.goodput),
            )
        },
    ]
}

/// Laws whose curves are not shown at first: all but ours, the oracle and the best of the others that adapt.
fn hidden(report: &Report) -> Vec<&'static str> {
    let kept = |name: &str| is_ours(name) || name == laws::ORACLE;
    let (fixed, mut others): (Vec<_>, Vec<_>) =
        report.laws.iter().filter(|law| !kept(law.name)).partition(|law| law.name.starts_with("static-"));
    others.sort_by(|a, b| b.figures.goodput.total_cmp(&a.figures.goodput));
    let room = SHOWN.saturating_sub(others.len());
    others.iter().skip(SHOWN).chain(fixed.iter().skip(room)).map(|law| law.name).collect()
}

fn looks(report: &Report) -> Vec<Look> {
    let mut others = 0;
    let look = |name: &str| {
        let (colour, dashes) = if is_ours(name) {
            ("var(--ours)", "none")
        } else if name == laws::ORACLE {
            ("var(--soft)", "none")
        } else {
            others += 1;
            let (round, place) = ((others - 1) / COLOURS.len(), (others - 1) % COLOURS.len());
            (COLOURS[place], DASHES[round % DASHES.len()])
        };
        Look { colour, dashes }
    };
    report.laws.iter().map(|law| law.name).map(look).collect()
}

/// Check boxes that show and hide curves; at first ours, the oracle and the best others.
fn legend(page: &mut String, number: usize, report: &Report, looks: &[Look]) {
    let hidden = hidden(report);
    *page += "<style>";
    for place in 0..report.laws.len() {
        push(
            page,
            format_args!("#s{number}:has(#c{number}-{place}:not(:checked)) .l{place}{{display:none}}"),
        );
    }
    *page += "</style>\n<div class=\"legend\">";
    for (place, (law, look)) in report.laws.iter().zip(looks).enumerate() {
        let checked = if hidden.contains(&law.name) { "" } else { " checked" };
        let style = if look.dashes == "none" { "solid" } else { "dashed" };
        let (colour, name, source) = (&look.colour, escape(law.name), escape(law.source));
        push(
            page,
            format_args!(
                "<label title=\"{source}\"><input type=\"checkbox\" id=\"c{number}-{place}\"{checked}>\
                 <i style=\"border-color:{colour};border-style:{style} none none\"></i>{name}</label>"
            ),
        );
    }
    *page += "</div>\n";
}

fn table(page: &mut String, report: &Report) {
    let laws = report.laws.iter().map(|law| cells(law.name, &law.figures, report.limits.is_some()).to_vec());
    rows(page, std::iter::once(TITLES.map(str::to_owned).to_vec()).chain(laws));
    if let Some(mix) = mix::rows(report) {
        push(page, format_args!("<p class=\"soft\">{}</p>\n", escape(&mix::title(report))));
        rows(page, mix.into_iter());
    }
}

/// A table; the first row is its head.
fn rows(page: &mut String, rows: impl Iterator<Item = Vec<String>>) {
    *page += "<div class=\"scroll\"><table>\n";
    for (number, row) in rows.enumerate() {
        let tag = if number == 0 { "th" } else { "td" };
        let class = if row.first().is_some_and(|name| is_ours(name)) { " class=\"ours\"" } else { "" };
        let cells = row.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell)));
        push(page, format_args!("<tr{class}>{}</tr>\n", cells.collect::<String>()));
    }
    *page += "</table></div>\n";
}

fn log(page: &mut String, report: &Report) {
    let instances = report.scenario.instances.len();
    for law in &report.laws {
        let (lines, all) = decisions::lines(&law.series.log, instances, DECISIONS);
        if lines.is_empty() {
            continue;
        }
        let (name, more) = (escape(law.name), all - lines.len());
        let more = if more > 0 { format!("\nand {more} more") } else { String::new() };
        let lines = escape(&lines.join("\n"));
        push(
            page,
            format_args!(
                "<details><summary>What {name} decided, and why ({all})</summary><pre>{lines}{more}</pre></details>\n"
            ),
        );
    }
}

/// Text that is only text on a page.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a string takes everything");
}
