//! The job file's JSON schema, made from the types that it is read into: for editors, and for the reader itself.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::Value;
use std::sync::LazyLock;

use super::spec::Spec;

/// The JSON schema (draft 2020-12) of a job file.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(WithoutNull).with_transform(WithoutWords);
    let mut schema = settings.into_generator().into_root_schema_for::<Spec>();
    schema.insert("$id".to_owned(), format!("urn:tilefn:job-file:{}", env!("CARGO_PKG_VERSION")).into());
    schema.insert("title".to_owned(), "tilefn job file".into());
    schema.to_value()
}

/// What the reader goes by: the same schema with every definition in its place, and with tilefn's own words.
///
/// - `x-expected`: what a mistake says was expected; `x-item`: the same for a list's items.
/// - `x-beyond`: what was expected where the type is right and the number is not.
/// - `x-format`: what reads the value, if its type doesn't say it: see `read/formats.rs`.
/// - `x-key`: what was expected of a key that the user chooses, where its pattern isn't that.
/// - `x-list`: what a parameter that is a list goes by.
/// - `x-range`: least and largest size or time.
/// - `x-word`: a word that nodata may be beside `"nan"`.
/// - `x-example`: how to write what is missing, where `examples` don't say it.
/// - `x-hint`: what to do if it isn't a table.
/// - `x-elsewhere`: why a key of this section is refused in a section of the other kind.
pub fn rules() -> &'static Value {
    static RULES: LazyLock<Value> = LazyLock::new(|| {
        let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        settings.with_transform(WithoutNull).into_generator().into_root_schema_for::<Spec>().to_value()
    });
    &RULES
}

/// A key that may be absent is absent, never null: TOML has no null.
#[derive(Clone)]
struct WithoutNull;

impl Transform for WithoutNull {
    fn transform(&mut self, schema: &mut schemars::Schema) {
        if let Some(Value::Array(types)) = schema.get_mut("type") {
            types.retain(|t| t != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                schema.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
            choices.retain(|choice| choice.get("type").is_none_or(|t| t != "null"));
            if let [Value::Object(only)] = choices.as_slice() {
                let only = only.clone();
                schema.remove("anyOf");
                for (key, value) in only {
                    schema.insert(key, value);
                }
            }
        }
        if schema.get("default").is_some_and(Value::is_null) {
            schema.remove("default");
        }
        transform_subschemas(self, schema);
    }
}

/// Editors need none of tilefn's own words.
#[derive(Clone)]
struct WithoutWords;

impl Transform for WithoutWords {
    fn transform(&mut self, schema: &mut schemars::Schema) {
        if let Some(keys) = schema.as_object_mut() {
            keys.retain(|key, _| !key.starts_with("x-"));
        }
        transform_subschemas(self, schema);
    }
}
