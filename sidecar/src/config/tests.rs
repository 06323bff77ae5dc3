use super::*;
#[test]
fn show() {
    for case in std::fs::read_to_string("/tmp/cases.txt").unwrap().split("=====\n") {
        let case = case.replace("\\t", "\t").replace("\\r", "\r").replace("\\u{feff}", "\u{feff}");
        println!("##### {}", case.lines().next().unwrap_or(""));
        match parse(case.as_bytes()) {
            Ok(l) => println!("OK {l:#?}"),
            Err(e) => println!("{}", e.with_source()),
        }
    }
    let mut v = Vec::new();
    let d = tempfile::tempdir().unwrap();
    std::fs::copy("../policies/presets/default.yaml", d.path().join("policy.yaml")).unwrap();
    println!("{}", check(d.path(), false, &mut v).unwrap());
    println!("{}", String::from_utf8(v).unwrap());
}
