//! Values that are more than their type: each `x-format` of the schema, and how it is read.

use super::reader::{Field, Reader};
use crate::spec::{Fargate, FargateMemory};
use crate::tree::{Data, Entry, Node, Origin, join};
use crate::units::{Size, Time};
use serde_json::Value;
use std::fmt::Display;
use types::Location;

impl Reader<'_> {
    /// The value as the types take it: paths are absolute, a CRS has its authority in capitals.
    pub fn format(&mut self, format: &str, rules: &Value, wanted: &str, field: &Field<'_>) -> Option<Node> {
        let data = &field.node.data;
        let text = match data {
            Data::Text(text) if !text.trim().is_empty() => Some(text.as_str()),
            _ => None,
        };
        match format {
            "path" => {
                let base = match field.node.origin {
                    Origin::Text(_) => self.base,
                    Origin::Override(_) => self.here,
                };
                self.want(field, wanted, text.map(|path| Data::Text(Location::resolved(base, path).to_string())))
            }
            "reference" if text.is_some_and(|name| self.is_input(name)) => Some(field.node.clone()),
            "reference" if matches!(data, Data::Text(_)) => self.format("path", rules, "a path or URL", field),
            "reference" => self.keep(field, wanted, false),
            "crs" => self.crs(wanted, field),
            "nodata" => self.nodata(rules, wanted, field),
            "parameter" if matches!(data, Data::List(_)) => self.list(&rules["x-list"], wanted, field),
            "parameter" if matches!(data, Data::Table(_)) => self.parameter_file(wanted, field),
            "parameter" | "scalar" => self.keep(field, wanted, is_scalar(data)),
            "size" => {
                let size = match data {
                    Data::Int(bytes) => u64::try_from(*bytes).ok().map(Size),
                    _ => text.and_then(Size::parse),
                };
                self.keep(field, wanted, size.is_some())?;
                self.in_range(rules, Size::parse, size?, field)
            }
            "time" => {
                let Some(time) = text.and_then(Time::parse) else {
                    let mistake = self.expected(field, wanted);
                    if let Data::Int(number) = data {
                        mistake.hint(format!("write \"{number}s\" for seconds"));
                    }
                    return None;
                };
                self.in_range(rules, Time::parse, time, field)
            }
            "fargate cpu" => {
                let units = match data {
                    Data::Int(units) => Fargate::cpu_units(&units.to_string()),
                    _ => text.and_then(Fargate::cpu_units),
                };
                self.want(field, wanted, units.map(|units| Data::Int(units.into())))
            }
            "fargate memory" => {
                let memory = match data {
                    Data::Int(mib) => u32::try_from(*mib).ok(),
                    _ => text.and_then(FargateMemory::parse).map(|memory| memory.0),
                };
                self.want(field, wanted, memory.map(|mib| Data::Int(mib.into())))
            }
            "address:port" => self.keep(field, wanted, text.is_some_and(is_host_port)),
            "address" => self.keep(field, wanted, text.is_some_and(|text| is_host_port(text) || is_host(text))),
            "tag" => self.keep(field, wanted, matches!(data, Data::Text(text) if is_tag(text, 256))),
            _ => None,
        }
    }

    /// `{ file = "…" }`, whose path becomes absolute.
    fn parameter_file(&mut self, wanted: &str, field: &Field<'_>) -> Option<Node> {
        let entries = match &field.node.data {
            Data::Table(entries) => entries.as_slice(),
            _ => &[],
        };
        let [entry] = entries else { return self.keep(field, wanted, false) };
        if entry.key != "file" {
            return self.keep(field, wanted, false);
        }
        let of_file = Field { path: join(&field.path, "file"), node: &entry.node };
        let node = self.format("path", &Value::Null, "a path", &of_file)?;
        Some(Node { data: Data::Table(vec![Entry { node, ..entry.clone() }]), origin: field.node.origin })
    }

    fn is_input(&self, name: &str) -> bool {
        self.tree.entry("inputs").is_some_and(|inputs| inputs.node.entry(name).is_some())
    }

    /// A size or time within the range that the schema has in words.
    fn in_range<T: PartialOrd + Display>(
        &mut self,
        rules: &Value,
        parse: fn(&str) -> Option<T>,
        value: T,
        field: &Field<'_>,
    ) -> Option<Node> {
        let bound = |index: usize| rules["x-range"].get(index)?.as_str().and_then(parse);
        let Some((least, most)) = bound(0).zip(bound(1)) else { return Some(field.node.clone()) };
        self.keep(field, format_args!("{least} to {most}"), (&least..=&most).contains(&&value))
    }

    fn crs(&mut self, wanted: &str, field: &Field<'_>) -> Option<Node> {
        let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        let (found, code) = match &field.node.data {
            Data::Int(code) => (None, Some(code.to_string())),
            Data::Text(text) => {
                let text = text.trim();
                let plain: String = text.chars().filter(|c| !c.is_whitespace()).collect();
                let epsg = plain.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("epsg"));
                let code =
                    if epsg { plain.get(4..).unwrap_or_default().trim_start_matches([':', '=', '-']) } else { &plain };
                (crs(text), digits(code).then(|| code.to_owned()))
            }
            _ => (None, None),
        };
        if let (None, Some(code)) = (&found, code) {
            self.expected(field, wanted).hint(format!("write \"EPSG:{code}\""));
            return None;
        }
        self.want(field, wanted, found.map(Data::Text))
    }

    /// A number, "nan", or the schema's own word.
    fn nodata(&mut self, rules: &Value, wanted: &str, field: &Field<'_>) -> Option<Node> {
        let right = match &field.node.data {
            Data::Text(text) => text == "nan" || rules["x-word"] == text.as_str(),
            _ => number(field.node).is_some_and(|value| !value.is_infinite()),
        };
        if let (false, Data::Int(value)) = (right, &field.node.data) {
            self.wrong(field, format!("{value} has no exact floating-point value, and nodata is kept as one"));
            return None;
        }
        self.keep(field, wanted, right)
    }
}

/// Whether it is a parameter, or one of a list.
fn is_scalar(data: &Data) -> bool {
    matches!(data, Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Text(_))
}

/// A number that a 64-bit float holds exactly.
pub fn number(node: &Node) -> Option<f64> {
    match node.data {
        Data::Float(value) => Some(value),
        #[expect(clippy::cast_precision_loss, reason = "checked to be exact")]
        #[expect(clippy::cast_possible_truncation, reason = "back from a float made from an i128 of 64 bits")]
        Data::Int(value) => (i128::from(value) == (value as f64) as i128).then_some(value as f64),
        _ => None,
    }
}

/// An authority's code, WKT or a PROJ string. Whether PROJ knows it shows when the grid is planned.
fn crs(text: &str) -> Option<String> {
    let wkt = text
        .split_once('[')
        .is_some_and(|(word, _)| !word.is_empty() && word.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
    if wkt || text.starts_with("+proj=") {
        return Some(text.to_owned());
    }
    let (authority, code) = text.split_once(':')?;
    let right = !authority.is_empty()
        && authority.chars().all(|c| c.is_ascii_alphanumeric())
        // `EPSG:4326+5773` joins a horizontal and a vertical CRS.
        && code.split('+').all(|part| !part.is_empty() && part.len() <= 9 && part.chars().all(|c| c.is_ascii_digit()))
        && code.chars().any(|c| c != '0');
    right.then(|| format!("{}:{code}", authority.to_ascii_uppercase()))
}

/// `host:port`, `1.2.3.4:port` or `[::1]:port`.
fn is_host_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| port.parse::<u16>().is_ok() && is_host(host))
}

fn is_host(text: &str) -> bool {
    if let Some(v6) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        return v6.parse::<std::net::Ipv6Addr>().is_ok();
    }
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-')
}

/// Whether AWS takes it as a tag's name or value of at most so many characters.
pub fn is_tag(text: &str, most: usize) -> bool {
    text.chars().count() <= most && text.chars().all(|c| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c))
}
