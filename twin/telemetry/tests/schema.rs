//! The schema is an interface: a change of it shows here.

#![cfg(feature = "schema")]
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a failed unwrap is the test failing"
)]

use serde_json::{Value, json};

use bess_telemetry::{
    Command, Description, Frame, PointDef, Points, Subscribe, Topic, recorded_schema, schema,
};

#[test]
fn schemas_of_topics() {
    for topic in Topic::ALL {
        let text = serde_json::to_string_pretty(&schema(topic)).unwrap();
        insta::assert_snapshot!(topic.name(), text);
    }
}

#[test]
fn schemas_of_what_is_told() {
    let commands = serde_json::to_string_pretty(&schemars::schema_for!(Command)).unwrap();
    insta::assert_snapshot!("command", commands);
    let subscribe = serde_json::to_string_pretty(&schemars::schema_for!(Subscribe)).unwrap();
    insta::assert_snapshot!("subscribe", subscribe);
}

/// What the loaders of Foxglove and Lichtblick take: an object, whose properties have one type each.
fn is_plain(schema: &Value, at: &str) {
    match schema["type"].as_str() {
        Some("boolean" | "integer" | "number" | "string") => {}
        Some("array") => {
            assert_ne!(schema["items"]["type"], "array", "{at}");
            is_plain(&schema["items"], &format!("{at}[]"));
        }
        Some("object") => {
            for (name, property) in schema["properties"].as_object().unwrap() {
                is_plain(property, &format!("{at}.{name}"));
            }
        }
        _ => panic!("{at}: {schema}"),
    }
    for word in ["$ref", "oneOf", "anyOf", "allOf"] {
        assert!(schema.get(word).is_none(), "{at} has {word}");
    }
}

#[test]
fn recorded_schemas_are_plain_and_lack_little() {
    let mut lacking = Vec::new();
    for topic in Topic::ALL {
        let (full, plain) = (schema(topic), recorded_schema(topic));
        is_plain(&plain, topic.name());
        assert_eq!(plain["type"], "object");
        for name in full["properties"].as_object().unwrap().keys() {
            if plain["properties"].get(name).is_none() {
                lacking.push(format!("{} {name}", topic.name()));
            }
        }
    }
    assert_eq!(
        lacking,
        [
            "description limits",
            "description seen",
            "description tables",
            "points value"
        ]
    );
    let kind = &recorded_schema(Topic::Events)["properties"]["kind"];
    assert!(
        kind["enum"].as_array().unwrap().contains(&json!("fault")),
        "{kind}"
    );
}

#[test]
fn a_frame_names_its_topic() {
    let frame = Frame::Points(Points {
        at_ns: 1_500_000_000,
        complete: false,
        index: vec![3, 70],
        value: vec![Some(3.302), None],
    });
    let text = serde_json::to_string(&frame).unwrap();
    assert_eq!(
        text,
        r#"{"topic":"points","frame":{"at_ns":1500000000,"complete":false,"index":[3,70],"value":[3.302,null]}}"#
    );
    assert_eq!(serde_json::from_str::<Frame>(&text).unwrap(), frame);
}

#[test]
fn commands_read_as_documented() {
    let read = |text| serde_json::from_str::<Command>(text);
    read(r#"{"command":"estop-press"}"#).unwrap();
    read(r#"{"command":"estop-press","channel":"a"}"#).unwrap();
    read(r#"{"command":"pause"}"#).unwrap();
    let nail = r#"{"command":"inject-fault","fault":{"name":"nail","target":"container-01/cluster-03/pack-05/cell-17"}}"#;
    read(nail).unwrap();
    assert!(read(r#"{"command":"pause","by":3}"#).is_err());
    assert!(read(r#"{"command":"explode"}"#).is_err());
}

#[test]
fn an_index_leads_to_its_point() {
    let text = r#"{"schema":1,"build":"0","rig":"r","title":"t","seed":1,"mode":"virtual","faults_enabled":false,
        "site":{"tag":"site-01"},"containers":[],"devices":[],"cells":{"count":0,"clusters":0,"quantities":[]},
        "points":[{"tag":"a","truth":"T","first":0,"table":0},{"tag":"b","truth":"S","first":2,"table":1}],
        "tables":[[{"name":"x","unit":"V","min":0,"max":5,"resolution":0.001,"recorded_every_ms":100},
                   {"name":"y","unit":"V","min":0,"max":5,"resolution":0.001,"recorded_every_ms":100}],
                  [{"name":"z","unit":"1","min":0,"max":1,"resolution":1,"states":["off","on"],"recorded_every_ms":0}]]}"#;
    let description: Description = serde_json::from_str(text).unwrap();
    assert_eq!(description.point_count(), 3);
    for (index, (group, def)) in (0..).zip(description.all_points()) {
        assert_eq!(description.point(index), Some((group, def)));
    }
    assert_eq!(description.point(2).unwrap().1.name, "z");
    assert_eq!(description.point(3), None);
}

/// What an older recording says of points, and what one that knows more adds.
#[test]
fn what_is_not_told_is_not_known() {
    let old = r#"{"name":"x","unit":"V","min":0,"max":5,"resolution":0.001,"recorded_every_ms":100}"#;
    let old: PointDef = serde_json::from_str(old).unwrap();
    assert_eq!((old.limits, &old.feedback, old.latch), (None, &None, None));
    let text = r#"{"schema":1,"build":"0","rig":"r","title":"t","seed":1,"mode":"virtual","faults_enabled":false,
        "site":{"tag":"site-01"},"containers":[],"cells":{"count":0,"clusters":0,"quantities":[]},
        "devices":[{"tag":"a","kind":"bmu","product":null,"backing":"emulated",
                    "wires":[{"port":"cluster","name":"can-01"},{"port":"modbus","name":"[::1]:502 unit 1"}]}],
        "points":[{"tag":"a","truth":"S","first":0,"table":0}],
        "tables":[[{"name":"cell[0]","unit":"V","min":0,"max":5,"resolution":0.001,"recorded_every_ms":100,"limits":0},
                   {"name":"cell[1]","unit":"V","min":0,"max":5,"resolution":0.001,"recorded_every_ms":100,"limits":7}]],
        "seen":[[{"row":0,"rows":2,"port":"modbus","place":"holding {} u16 x0.001","address":4000,"step":2},
                 {"row":1,"rows":1,"port":"cluster","place":"CELLS.V_1"},
                 {"row":1,"rows":1,"port":"stack","place":"on no wire"}]],
        "limits":[[{"alarm":"cov","level":3,"is_upper":true,"set":3.65,"trips":true}]]}"#;
    let description: Description = serde_json::from_str(text).unwrap();
    assert_eq!(
        description.seen_at(0),
        ["[::1]:502 unit 1, holding 4000 u16 x0.001"]
    );
    assert_eq!(
        description.seen_at(1),
        ["[::1]:502 unit 1, holding 4002 u16 x0.001", "can-01, CELLS.V_1"]
    );
    assert!(description.seen_at(2).is_empty());
    let [first, second] = [0, 1].map(|index| description.limits_of(description.point(index).unwrap().1));
    assert_eq!(first.len(), 1);
    assert!(second.is_empty(), "a set that is not there");
}
