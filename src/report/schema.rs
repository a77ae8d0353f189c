//! The JSON Schema of manifests, for editors.

use crate::resources::types::TYPES;
use serde_json::{Map, Value, json};

/// A list of plays; a resource is told by its type's key.
pub fn manifest() -> Value {
    let mut defs = Map::new();
    let mut options = vec![json!({ "$ref": "#/$defs/module" })];
    for ty in TYPES {
        let name = ty.name();
        let mut schema = ty.schema().to_value();
        // Shared types of a parameter stand with the rest.
        if let Some(own) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
            defs.append(own);
        }
        let properties = schema["properties"].as_object().cloned().unwrap_or_default();
        let mut all = Map::from_iter([(name.to_owned(), json!({ "type": "string", "description": ty.about() }))]);
        all.extend(properties);
        all.extend(common());
        let mut required = vec![json!(name)];
        required.extend(schema["required"].as_array().cloned().unwrap_or_default());
        let resource = json!({
            "type": "object", "description": ty.about(), "properties": all,
            "required": required, "additionalProperties": false,
        });
        defs.insert(format!("resource_{name}"), resource);
        options.push(json!({ "$ref": format!("#/$defs/resource_{name}") }));
    }
    let mut module = Map::from_iter([
        ("module".to_owned(), json!({ "type": "string", "description": "A folder below modules/." })),
        ("with".to_owned(), json!({ "type": "object", "description": "The module's parameters." })),
    ]);
    module.extend(common());
    defs.insert(
        "module".into(),
        json!({ "type": "object", "properties": module, "required": ["module"], "additionalProperties": false }),
    );
    let play = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string" },
            "hosts": { "description": "A pattern: all, web, web:&prod:!db.", "type": ["string", "array"], "items": { "type": "string" } },
            "become": { "type": "boolean", "description": "Become another user through sudo." },
            "become_user": { "type": "string", "description": "The user to become; root by default." },
            "vars": { "type": "object" },
            "tags": tags(),
            "serial": {
                "description": "Hosts at a time, as a number or a share: 1, 25%, or a list of them.",
                "type": ["integer", "string", "array"], "items": { "type": ["integer", "string"] },
            },
            "max_fail": {
                "description": "How many of its hosts may fail before nothing new is started: 1, 25%.",
                "type": ["integer", "string"],
            },
            "health": {
                "description": "Checks that are run on each host after its changes; the next wave waits for them.",
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "command": { "type": "string", "description": "Is to succeed." },
                        "port": { "type": ["integer", "string"], "description": "Something is to listen on it." },
                        "url": { "type": "string", "description": "Is to be answered with success, seen from the host." },
                        "retries": { "type": ["integer", "string"], "description": "Tries after the first; 3." },
                        "delay": { "type": ["integer", "string"], "description": "Seconds between two tries; 5." },
                        "timeout": { "type": ["integer", "string"], "description": "Seconds of one try; 10." },
                    },
                    "additionalProperties": false,
                },
            },
            "resources": { "type": "array", "items": { "oneOf": options } },
            "include": { "type": "string", "description": "Another manifest, whose plays stand here." },
        },
        "additionalProperties": false,
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "trueup manifest", "type": "array", "items": play, "$defs": defs,
    })
}

fn tags() -> Value {
    json!({ "type": ["string", "array"], "items": { "type": "string" } })
}

fn common() -> Map<String, Value> {
    let references =
        |about: &str| json!({ "description": about, "type": ["string", "array"], "items": { "type": "string" } });
    Map::from_iter([
        ("name".to_owned(), json!({ "type": "string", "description": "For people." })),
        (
            "when".to_owned(),
            json!({ "description": "An expression; false leaves the resource out.", "type": ["string", "boolean", "array"] }),
        ),
        ("for_each".to_owned(), json!({ "description": "A list or a mapping; one resource each, with `item`." })),
        ("require".to_owned(), references("Comes after these, as in service[nginx].")),
        ("before".to_owned(), references("Comes before these.")),
        ("notify".to_owned(), references("Comes before these, and refreshes them when it changes.")),
        ("subscribe".to_owned(), references("Comes after these, and is refreshed when they change.")),
        ("tags".to_owned(), tags()),
        (
            "controls".to_owned(),
            json!({ "type": "array", "items": { "type": "string" }, "description": "Compliance ids, for reports." }),
        ),
        ("become_user".to_owned(), json!({ "type": "string", "description": "For exec: the user it runs as." })),
        (
            "sensitive".to_owned(),
            json!({ "type": ["boolean", "string"], "description": "Its values are never shown." }),
        ),
    ])
}
