//! As much of JSON Schema as our schema uses; a keyword that is not known here fails the test instead of being ignored.

use serde_json::Value;

/// Why `value` does not fit, with the path to the place.
pub(super) fn fits(root: &Value, schema: &Value, value: &Value, path: &str) -> Result<(), String> {
    let keywords = schema.as_object().expect("a schema is an object");
    keywords.iter().try_for_each(|(keyword, wanted)| {
        let good = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let pointer =
                    wanted.as_str().and_then(|text| text.strip_prefix('#')).expect("inside this file");
                return fits(root, root.pointer(pointer).expect(pointer), value, path);
            }
            "const" => value == wanted,
            "enum" => listed(wanted).contains(value),
            "type" => match wanted {
                Value::Array(names) => names.iter().any(|name| is(value, name)),
                name => is(value, name),
            },
            "minimum" => value.as_f64().is_none_or(|value| value >= number(wanted)),
            "maximum" => value.as_f64().is_none_or(|value| value <= number(wanted)),
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= wanted.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= wanted.as_u64().unwrap()),
            "items" => {
                return each(value, |place, item| fits(root, wanted, item, &format!("{path}/{place}")));
            }
            "required" => listed(wanted).iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "properties" => return fields(root, wanted, value, path),
            "additionalProperties" => return others(root, keywords, wanted, value, path),
            // The one pattern is the rule of `KnobName`, which the reader applies.
            "propertyNames" | "pattern" => true,
            "anyOf" => listed(wanted).iter().any(|one| fits(root, one, value, path).is_ok()),
            other => panic!("the schema uses `{other}`: teach it to this test"),
        };
        if good { Ok(()) } else { Err(format!("{path}: {keyword} {wanted}, found {value}")) }
    })
}

fn listed(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn is(value: &Value, name: &Value) -> bool {
    match name.as_str().expect("a name") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("type {other}"),
    }
}

fn each(value: &Value, check: impl Fn(usize, &Value) -> Result<(), String>) -> Result<(), String> {
    value.as_array().into_iter().flatten().enumerate().try_for_each(|(place, item)| check(place, item))
}

fn fields(root: &Value, properties: &Value, value: &Value, path: &str) -> Result<(), String> {
    let known = value.as_object().into_iter().flatten();
    known
        .filter_map(|(name, field)| Some((name, properties.get(name)?, field)))
        .try_for_each(|(name, schema, field)| fits(root, schema, field, &format!("{path}/{name}")))
}

fn others(
    root: &Value,
    keywords: &serde_json::Map<String, Value>,
    wanted: &Value,
    value: &Value,
    path: &str,
) -> Result<(), String> {
    let declared = |name: &str| keywords.get("properties").is_some_and(|known| known.get(name).is_some());
    let mut other = value.as_object().into_iter().flatten().filter(|(name, _)| !declared(name));
    match wanted {
        Value::Bool(false) => match other.next() {
            Some((name, _)) => Err(format!("{path}: unknown field {name}")),
            None => Ok(()),
        },
        schema => other.try_for_each(|(name, field)| fits(root, schema, field, &format!("{path}/{name}"))),
    }
}
