//! JSON schemas in the few words that programs for recordings know.
//!
//! Foxglove and Lichtblick make columns of a schema before they read a message, and refuse the whole topic at the first word
//! they do not know: references, alternatives, "this or null", lists of lists. What can be said without them is said so;
//! what cannot is left out of the schema, and is in the messages all the same.

use serde_json::{Map, Value, json};

/// The schema in plain words.
pub(crate) fn plain(schema: &Value) -> Value {
    let none = Value::Null;
    let defs = schema.get("$defs").unwrap_or(&none);
    let (mut told, _) = said(schema, defs).unwrap_or((json!({"type": "object", "properties": {}}), false));
    told["$schema"] = schema["$schema"].clone();
    told["title"] = schema["title"].clone();
    told
}

/// A schema in plain words, and whether null is allowed too; none if it cannot be said.
fn said(schema: &Value, defs: &Value) -> Option<(Value, bool)> {
    let (mut told, or_null) = shape(schema, defs)?;
    for word in ["description", "minimum", "format"] {
        if let Some(value) = schema.get(word) {
            told[word] = value.clone();
        }
    }
    Some((told, or_null))
}

fn shape(schema: &Value, defs: &Value) -> Option<(Value, bool)> {
    if let Some(path) = schema.get("$ref").and_then(Value::as_str) {
        return said(defs.get(path.strip_prefix("#/$defs/")?)?, defs);
    }
    if let Some(either) = schema.get("anyOf").and_then(Value::as_array) {
        let is_null = |one: &&Value| one["type"] == "null";
        let mut others = either.iter().filter(|one| !is_null(one));
        let (only, None) = (others.next()?, others.next()) else {
            return None;
        };
        return said(only, defs)
            .map(|(told, or_null)| (told, or_null || either.iter().any(|one| is_null(&one))));
    }
    if let Some(each) = schema.get("oneOf").and_then(Value::as_array) {
        let words: Option<Vec<_>> = each.iter().map(|one| one["const"].as_str()).collect();
        return Some((json!({"type": "string", "enum": words?}), false));
    }
    let (kind, or_null) = match &schema["type"] {
        Value::String(kind) => (kind.as_str(), false),
        Value::Array(kinds) => match kinds.as_slice() {
            [Value::String(kind), Value::String(null)] if null == "null" => (kind.as_str(), true),
            _ => return None,
        },
        _ => return None,
    };
    let told = match kind {
        "object" => object(schema, defs),
        "array" => {
            let (items, or_null) = said(&schema["items"], defs)?;
            if or_null || items["type"] == "array" {
                return None;
            }
            json!({"type": "array", "items": items})
        }
        "string" => match schema.get("enum") {
            Some(words) => json!({"type": "string", "enum": words}),
            None => json!({"type": "string"}),
        },
        "boolean" | "integer" | "number" => json!({"type": kind}),
        _ => return None,
    };
    Some((told, or_null))
}

fn object(schema: &Value, defs: &Value) -> Value {
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().collect();
    let (mut properties, mut always) = (Map::new(), Vec::new());
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let Some((told, or_null)) = said(property, defs) else {
            continue;
        };
        properties.insert(name.clone(), told);
        // none is left out of a message, not told as null
        if !or_null && required.iter().any(|other| *other == name) {
            always.push(name.clone());
        }
    }
    json!({"type": "object", "properties": properties, "required": always})
}
