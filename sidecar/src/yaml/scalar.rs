//! Scalars: how each kind of value is written in a file, read, and shown again.

use std::time::Duration;

use setpoint_policies::controllers::fixed::Setting;
use setpoint_policies::knob::KnobName;
use setpoint_policies::spec::Mode;
use setpoint_policies::units;

use super::suggest::closest;
use super::text::quoted;
use super::tree::{Node, Value};

/// Longest scalar that means anything in most places, in bytes; the longest name of a knob.
pub(crate) const LONGEST: usize = setpoint_policies::knob::MAX_NAME_BYTES;

/// One kind of scalar.
pub(crate) struct Kind<T> {
    /// Completes "expected ...".
    pub(crate) expected: &'static str,
    /// Text or quantity: may stand in quotes. A number may not.
    pub(crate) quotable: bool,
    /// Longest text that is looked at, in bytes.
    pub(crate) longest: usize,
    pub(crate) parse: fn(&str) -> Result<T, String>,
    /// Shows a value as one would write it.
    pub(crate) show: fn(&T) -> String,
}

/// `75%` as 0.75.
pub(crate) const RATIO: Kind<f64> = Kind {
    expected: "a percentage such as 75%",
    quotable: true,
    longest: LONGEST,
    parse: ratio,
    show: |ratio| format!("{}%", (ratio * 1e6).round() / 1e4),
};

/// `250ms`.
pub(crate) const DURATION: Kind<Duration> = Kind {
    expected: "a duration such as 250ms",
    quotable: true,
    longest: LONGEST,
    parse: |text| units::duration(text).map_err(|error| error.to_string()),
    show: |duration| match duration {
        &Duration::ZERO => "0ms".to_owned(),
        duration => format!("{duration:?}").replace('µ', "u"),
    },
};

/// `50` or `12.5`: decimal, without an exponent.
pub(crate) const NUMBER: Kind<f64> = Kind {
    expected: "a number such as 50",
    quotable: false,
    longest: LONGEST,
    parse: number,
    show: f64::to_string,
};

/// `100/s` as calls per second.
pub(crate) const RATE: Kind<f64> = Kind {
    expected: "a rate such as 100/s",
    quotable: true,
    longest: LONGEST,
    parse: |text| units::rate(text).map_err(|error| error.to_string()),
    show: |per_second| format!("{per_second}/s"),
};

/// `200`, `30s`, `20%`, `512Mi` or `100/s`: a value in the unit of whatever it is for.
pub(crate) const SETTING: Kind<Setting> = Kind {
    expected: "a number such as 50, or a quantity such as 30s, 20%, 512Mi, 100/s",
    quotable: true,
    longest: LONGEST,
    parse: setting,
    show: |setting| match setting {
        Setting::Number(number) => (NUMBER.show)(number),
        Setting::Ratio(ratio) => (RATIO.show)(ratio),
        Setting::Time(time) => (DURATION.show)(time),
        Setting::Bytes(bytes) => format!("{bytes}B"),
        Setting::PerSecond(rate) => (RATE.show)(rate),
    },
};

/// `3`.
pub(crate) const COUNT: Kind<u64> = Kind {
    expected: "a whole number such as 3",
    quotable: false,
    longest: LONGEST,
    parse: |text| {
        let whole = text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        whole.ok_or_else(|| format!("expected a whole number such as 3, found {}", quoted(text)))
    },
    show: u64::to_string,
};

/// What a file or a policy is called.
pub(crate) const NAME: Kind<String> = Kind {
    expected: "a name",
    quotable: true,
    longest: LONGEST,
    parse: |text| {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(text.to_owned())
        } else {
            Err("a name has 1 to 64 characters of a-z 0-9 - _ .".to_owned())
        }
    },
    show: String::clone,
};

/// Any text.
pub(crate) const TEXT: Kind<String> = Kind {
    expected: "a text",
    quotable: true,
    longest: LONGEST,
    parse: |text| Ok(text.to_owned()),
    show: String::clone,
};

/// `true` or `false`.
pub(crate) const FLAG: Kind<bool> = Kind {
    expected: "true or false",
    quotable: false,
    longest: LONGEST,
    parse: |text| text.parse().map_err(|_| format!("expected true or false, found {}", quoted(text))),
    show: bool::to_string,
};

/// The name of a knob.
pub(crate) const KNOB: Kind<KnobName> = Kind {
    expected: "the name of a knob",
    quotable: true,
    longest: LONGEST,
    parse: |text| KnobName::try_new(text).map_err(|error| error.to_string()),
    show: KnobName::to_string,
};

/// Whether decisions act.
pub(crate) const MODE: Kind<Mode> = Kind {
    expected: "enforce, shadow or observe",
    quotable: true,
    longest: LONGEST,
    parse: |text| {
        let modes = [Mode::Enforce, Mode::Shadow, Mode::Observe];
        modes.into_iter().find(|mode| mode.name() == text).ok_or_else(|| {
            match closest(text, modes.map(Mode::name)) {
                Some(name) => format!("unknown mode {}, did you mean `{name}`?", quoted(text)),
                None => format!("unknown mode {}, expected enforce, shadow or observe", quoted(text)),
            }
        })
    },
    show: |mode| mode.name().to_owned(),
};

impl<T> Kind<T> {
    /// The value of `node`; `Err(None)` when what is wrong was reported before.
    pub(crate) fn read(&self, node: &Node) -> Result<T, Option<String>> {
        let text = match &node.value {
            Value::Unusable => return Err(None),
            Value::Plain(text) => text,
            Value::Quoted(text) if self.quotable => text,
            other => return Err(Some(format!("expected {}, found {}", self.expected, describe(other)))),
        };
        if text.len() > self.longest {
            return Err(Some(format!("expected {}, found {}", self.expected, quoted(text))));
        }
        (self.parse)(text).map_err(Some)
    }
}

/// What a value is, to complete "found ...".
pub(crate) fn describe(value: &Value) -> String {
    match value {
        Value::Nothing => "nothing".to_owned(),
        Value::Plain(text) => quoted(text),
        Value::Quoted(text) => format!("the text {}", quoted(text)),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) | Value::Unusable => "a map".to_owned(),
    }
}

/// Takes care that nobody who wrote 0.9 for 90 % is talked into 0.9 %.
fn ratio(text: &str) -> Result<f64, String> {
    units::ratio(text).map_err(|error| match number(text) {
        Ok(share) if share > 0.0 && share <= 1.0 => {
            format!("unit missing: write {}, or {text}% if you mean that", (RATIO.show)(&share))
        }
        _ => error.to_string(),
    })
}

/// By its unit. What is in none is told what there is; what is wrong in its unit, that.
fn setting(text: &str) -> Result<Setting, String> {
    let unit = text.trim().trim_start_matches(|c: char| c.is_ascii_digit() || "+-.".contains(c)).trim_start();
    let said = |error: units::InvalidUnit| error.to_string();
    match unit {
        "" => number(text).map(Setting::Number),
        "%" => units::ratio(text).map(Setting::Ratio).map_err(said),
        "us" | "ms" | "s" | "m" | "h" => units::duration(text).map(Setting::Time).map_err(said),
        "B" | "Ki" | "Mi" | "Gi" => units::bytes(text).map(Setting::Bytes).map_err(said),
        "/s" | "/m" | "/h" => units::rate(text).map(Setting::PerSecond).map_err(said),
        _ => Err(format!("expected {}, found {}", SETTING.expected, quoted(text))),
    }
}

/// Strict on purpose: Rust's own parser would take `inf`, `nan` and `1e300`.
fn number(text: &str) -> Result<f64, String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let parsed = text.parse().ok().filter(|_| plain);
    parsed.ok_or_else(|| format!("expected a number such as 50, found {}", quoted(text)))
}
