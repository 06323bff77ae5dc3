use super::*;
use clap::Parser;

const SCENARIO: &str = "
version: setpoint/v1
kind: Scenario
name: step
about: \"<script>alert('1')</script> & more\"
duration: 12s
warm_up: 2s
phases: [{at: 0s}, {at: 6s, overload: true}]
clients: {rate: [{at: 0s, value: 100}, {at: 6s, value: 400}]}
deadline: 200ms
server: {workers: 4, work: {exponential: 20ms}}
";

fn options(line: &str) -> cli::Simulate {
    let cli = cli::Cli::try_parse_from(format!("setpoint simulate {line}").split_whitespace()).expect(line);
    match cli.command {
        cli::Command::Simulate(options) => options,
        other => panic!("{other:?}"),
    }
}

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("step.yaml"), SCENARIO).unwrap();
        Self(home)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn run(&self, arguments: &str) -> Result<String, SimulateError> {
        let screen = Screen { width: 80, colours: false, progress: false };
        let mut out = Vec::new();
        let options = options(&format!("{} {arguments}", self.path("step.yaml")));
        simulate(&options, screen, &mut out).map(|()| String::from_utf8(out).unwrap())
    }
}

#[test]
fn people_get_a_table_and_pictures() {
    let out = Home::new().run("--against none --no-oracle --seeds 2 --plot").unwrap();
    let rows: Vec<_> =
        out.lines().filter(|line| line.starts_with("  setpoint ") || line.starts_with("  none ")).collect();
    assert_eq!(rows.len(), 2, "{out}");
    assert!(out.contains("12 s, 2 runs\n") && out.contains("step  setpoint  seed 1   ━ overload\n"), "{out}");
    assert!(out.contains("step  none  seed 1") && out.contains("this law keeps no log"), "{out}");
    assert!(out.contains(" ┤") && out.contains("┯━"), "{out}");
    assert!(out.lines().any(|line| line.contains(" s  limit ") && line.contains(" -> ")), "decisions: {out}");
    let pictures = out.lines().filter(|line| line.contains('┤') || line.contains('│') || line.contains('└'));
    assert!(
        pictures.clone().count() > 40 && pictures.map(|line| line.chars().count()).all(|width| width <= 80)
    );
}

#[test]
fn the_same_call_gives_the_same_figures() {
    let home = Home::new();
    let run = |arguments| home.run(arguments).unwrap();
    assert_eq!(run("--no-oracle --json --seed 7"), run("--no-oracle --json --seed 7"));
    assert_ne!(run("--no-oracle --json --seed 7"), run("--no-oracle --json --seed 8"));
}

#[test]
fn machines_get_the_figures_of_the_scoreboard() {
    let out = Home::new().run("--against static-right,vegas --seeds 1 --json").unwrap();
    let said: serde_json::Value = serde_json::from_str(&out).unwrap();
    let scenario = &said["scenarios"]["step"];
    assert_eq!((&scenario["overload"], &scenario["seeds"]), (&true.into(), &serde_json::json!([1])));
    assert_eq!(scenario["oracle_limits"].as_array().map(Vec::len), Some(2));
    let laws = scenario["laws"].as_object().unwrap();
    assert_eq!(laws.keys().collect::<Vec<_>>(), ["oracle", "setpoint", "static-right", "vegas"]);
    assert_eq!(laws["oracle"]["goodput_ratio"], 1.0);
    let fields = ["goodput_ratio", "goodput_per_second", "p99_ms", "false_reject_ratio", "oscillation"];
    assert!(laws.values().all(|law| fields.iter().all(|field| law[*field].is_number())), "{out}");
    assert!(laws["setpoint"]["goodput_ratio"].as_f64().unwrap() > 0.5, "{out}");
}

/// Without a breakdown nobody could see that a law keeps the calls that matter.
#[test]
fn c8_who_gets_what_is_told_by_class_and_by_instance() {
    let home = Home::new();
    let mix = SCENARIO.replace("name: step", "name: mix").replace(
        "deadline: 200ms",
        "classes: [{name: pay, share: 30%, deadline: 200ms, priority: critical}, {name: look, share: 70%, deadline: 200ms, priority: low}]\n\
         instances: [0.75, 0.25]",
    );
    std::fs::write(home.path("mix.yaml"), mix).unwrap();
    let more = format!("{} --against none --no-oracle --seeds 1", home.path("mix.yaml"));
    let out = home.run(&more).unwrap();
    let head = out.lines().find(|line| line.contains("PAY (CRITICAL)")).expect("a table of its own");
    assert!(head.contains("LOOK (LOW)") && head.ends_with("FAIRNESS"), "{out}");
    assert_eq!(
        out.matches("FAIRNESS").count(),
        1,
        "the other scenario has one class and one instance: {out}"
    );
    let page = home.path("page.html");
    let said = home.run(&format!("{more} --json --html {page}")).unwrap();
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let share =
        |law: &str, class: &str| said["scenarios"]["mix"]["laws"][law]["classes"][class].as_f64().unwrap();
    assert!(share("setpoint", "pay") > share("setpoint", "look") + 0.2, "{said}");
    assert!((share("none", "pay") - share("none", "look")).abs() < 0.1, "{said}");
    let fairness = |law: &str| said["scenarios"]["mix"]["laws"][law]["fairness"].clone();
    assert!(fairness("setpoint").as_f64().unwrap() > 0.5 && fairness("none").is_null(), "{said}");
    assert!(
        std::fs::read_to_string(&page)
            .unwrap()
            .contains("<th>pay (critical)</th><th>look (low)</th><th>fairness</th>")
    );
}

#[test]
fn limits_of_a_built_in_scenario_are_the_scoreboards() {
    let screen = Screen { width: 80, colours: false, progress: false };
    let mut out = Vec::new();
    simulate(&options("T16 draw-7 --seeds 1 --json"), screen, &mut out).unwrap();
    let said: serde_json::Value = serde_json::from_slice(&out).unwrap();
    for name in ["T16", "draw-007"] {
        let scenario = builtin::find(name).unwrap().unwrap();
        let known = Known::built_in().find(&scenario).unwrap();
        assert_eq!(said["scenarios"][name]["oracle_limits"], serde_json::json!(known.phases));
    }
}

#[test]
fn without_an_oracle_nothing_is_compared_with_it() {
    let out = Home::new().run("--no-oracle --seeds 1 --json").unwrap();
    let said: serde_json::Value = serde_json::from_str(&out).unwrap();
    let ours = &said["scenarios"]["step"]["laws"]["setpoint"];
    assert!(ours["goodput_ratio"].is_null() && ours["convergence_s"].is_null() && ours["p99_ms"].is_number());
}

#[test]
fn the_page_is_whole_and_harmless() {
    let home = Home::new();
    let file = home.path("page.html");
    home.run(&format!("--against all --no-oracle --seeds 1 --html {file}")).unwrap();
    let page = std::fs::read_to_string(&file).unwrap();
    assert_eq!(page.matches("<svg").count(), 4);
    let curves = page.matches("class=\"curve l").count();
    let laws = page.matches("type=\"checkbox\"").count();
    assert!(curves == laws * 4 && laws > 5, "{curves} curves of {laws} laws");
    assert!(page.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; more"));
    for tag in
        ["svg", "figure", "section", "table", "tr", "td", "details", "style", "label", "path", "body", "html"]
    {
        let (open, close) = (format!("<{tag}"), format!("</{tag}>"));
        let opened = page
            .match_indices(&open)
            .filter(|(at, _)| !page[at + open.len()..].starts_with(char::is_alphanumeric));
        let alone =
            if tag == "path" { page.matches("\"/><").count() - page.matches("<rect").count() } else { 0 };
        assert!(opened.count() <= page.matches(&close).count() + alone, "<{tag}>");
    }
    for outside in ["<script", "http:", "https:", "//", "url(", "@import", "<img", "<link"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn a_policy_file_is_ours() {
    let home = Home::new();
    let policy = |max: u32| {
        let file = home.path("mine.yaml");
        let policy = format!("adaptive_concurrency: {{knob: limit.inbound, min: 1, max: {max}, initial: 1}}");
        std::fs::write(
            &file,
            format!("version: setpoint/v1\nname: a\npolicies:\n  - name: a\n    {policy}\n"),
        )
        .unwrap();
        home.run(&format!("--no-oracle --seeds 1 --json --policy {file}")).unwrap()
    };
    assert_ne!(policy(2), policy(100));
}

/// A service declares its deadline with the limiter, whatever stands in the policy file.
#[test]
fn a_deadline_that_is_known_is_known_to_the_policies_of_a_file_too() {
    let home = Home::new();
    std::fs::write(home.path("step.yaml"), format!("{SCENARIO}deadline_known: true\n")).unwrap();
    let policy = "adaptive_concurrency: {knob: limit.inbound, min: 1, max: 2000, initial: 50}";
    let file = home.path("mine.yaml");
    let text = format!("version: setpoint/v1\nname: a\npolicies:\n  - name: inbound\n    {policy}\n");
    std::fs::write(&file, text).unwrap();
    let plain = home.run("--no-oracle --seeds 1 --json").unwrap();
    assert_eq!(home.run(&format!("--no-oracle --seeds 1 --json --policy {file}")).unwrap(), plain);
}

#[test]
fn any_limit_of_a_policy_file_can_be_played() {
    let home = Home::new();
    let file = home.path("mine.yaml");
    let policies: String = [("api", 100), ("db", 2)]
        .map(|(name, max)| format!("  - name: {name}\n    adaptive_concurrency: {{knob: limit.{name}, min: 1, max: {max}, initial: 1}}\n"))
        .concat();
    std::fs::write(&file, format!("version: setpoint/v1\nname: a\npolicies:\n{policies}")).unwrap();
    let run = |more: &str| home.run(&format!("--no-oracle --seeds 1 --json --policy {file} {more}"));
    assert_ne!(run("--knob limit.api").unwrap(), run("--knob limit.db").unwrap());
    for (more, knob) in [("", "limit.inbound"), ("--knob limit.cache", "limit.cache")] {
        let Err(SimulateError::Refused(said)) = run(more) else { panic!("accepted") };
        let expected = format!("mine.yaml: no policy for {knob}, say --knob with one of limit.api, limit.db");
        assert!(said.ends_with(&expected), "{said}");
    }
    let alone = cli::Cli::try_parse_from("setpoint simulate T01 --knob limit.db".split(' '));
    assert!(alone.is_err(), "without a file nothing has that name");
}

#[test]
fn whatever_is_wrong_is_told_at_once() {
    let home = Home::new();
    let file = home.path("bad.yaml");
    std::fs::write(&file, SCENARIO.replace("12s", "12")).unwrap();
    std::fs::write(
        home.path("db.yaml"),
        "version: setpoint/v1\nname: a\npolicies:\n  - {name: a, memory_cap: {knob: limit.db}}\n",
    )
    .unwrap();
    let twice = home.path("step.yaml");
    let all = format!("{file} no-such {twice} --against nobody --policy {}", home.path("db.yaml"));
    let Err(SimulateError::Refused(said)) = home.run(&all) else { panic!("accepted") };
    let expected = [
        "bad.yaml:6:11: `duration`: unit missing: write 12ms or 12s",
        "no scenario is named `no-such`",
        "two scenarios are named `step`",
        "db.yaml: no policy for limit.inbound, say --knob with one of limit.db",
        "unknown law `nobody`",
    ];
    for part in expected {
        assert!(said.contains(part), "{part}\n{said}");
    }
}

/// An hour of simulation must not end in a page that cannot be written.
#[test]
fn a_page_that_cannot_be_written_is_told_before_anything_is_simulated() {
    let home = Home::new();
    let long = SCENARIO.replace("12s", "2h").replace("[{at: 0s, value: 100}, {at: 6s, value: 400}]", "10000");
    std::fs::write(home.path("step.yaml"), long).unwrap();
    let began = std::time::Instant::now();
    let Err(SimulateError::Page { file, .. }) = home.run("--html /no-such-folder/page.html") else {
        panic!("written")
    };
    assert!(file == "/no-such-folder/page.html" && began.elapsed().as_secs() < 5);
    let old = home.path("old.html");
    std::fs::write(&old, "old").unwrap();
    std::fs::write(home.path("step.yaml"), "nonsense").unwrap();
    assert!(home.run(&format!("--html {old}")).is_err());
    assert_eq!(std::fs::read_to_string(&old).unwrap(), "old", "what is refused overwrites nothing");
}

#[test]
fn what_is_built_in_is_listed() {
    let mut out = Vec::new();
    simulate(&options("--list"), Screen { width: 80, colours: false, progress: false }, &mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    assert!(
        out.contains("\n  T01 ") && out.contains("\n  vegas ") && out.contains("\n  static-right "),
        "{out}"
    );
    let begins = |name: &str, about: &str| out.lines().find(|line| line.starts_with(name))?.find(about);
    let short = begins("  T01 ", "FIFO of 16");
    assert!(
        short.is_some() && short == begins("  vector-drops-at-high", "The other side"),
        "a column: {out}"
    );
}
