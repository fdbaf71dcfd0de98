//! The job file's JSON schema, for editors and for `tilefn schema`.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::Value;

use super::spec::Spec;

/// The JSON schema (draft 2020-12) of a job file, made from the types it's read into.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().with_transform(WithoutNull).into_generator();
    let mut schema = generator.into_root_schema_for::<Spec>();
    schema.insert("$id".to_owned(), format!("urn:tilefn:job-file:{}", env!("CARGO_PKG_VERSION")).into());
    schema.insert("title".to_owned(), "tilefn job file".into());
    schema.to_value()
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
