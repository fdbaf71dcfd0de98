//! `--set section.key=value`: overrides applied to the tree before it is read.

use toml::de::DeTable;

use super::mistakes::Mistakes;
use super::parse::toml_value_at;
use super::tree::{Data, Entry, Node, Origin, Source, join};

/// Puts each `section.key=value` into the tree; a later one wins. What can't be applied becomes a mistake.
pub fn apply(root: &mut Node, arguments: &[String], source: &Source, mistakes: &mut Mistakes) {
    for (index, argument) in arguments.iter().enumerate() {
        let origin = Origin::Override(index);
        if let Err((key, message)) = set(root, argument, origin) {
            mistakes
                .add(source.place(origin), key, message)
                .hint("an override looks like `--set grid.tile=[512,512]`; text needs no quotes");
        }
    }
}

/// Puts one override into the tree. The error has the key, as far as it is known, and what is wrong.
fn set(root: &mut Node, argument: &str, origin: Origin) -> Result<(), (String, String)> {
    let (keys, text) = split(argument).map_err(|message| (String::new(), message))?;
    let path = keys.iter().fold(String::new(), |path, key| join(&path, key));
    let value = value(text.trim(), origin).map_err(|message| (path, message))?;
    let (Some((last, parents)), Data::Table(entries)) = (keys.split_last(), &mut root.data) else {
        return Ok(());
    };
    let mut entries = entries;
    let mut path = String::new();
    for key in parents {
        path = join(&path, key);
        let node = &mut child(entries, key, origin).node;
        if !matches!(node.data, Data::Table(_)) {
            return Err((path, format!("the job file has {} here, which holds no keys", node.shown())));
        }
        let Data::Table(inner) = &mut node.data else {
            return Ok(());
        };
        entries = inner;
    }
    let entry = child(entries, last, origin);
    entry.origin = origin;
    entry.node = value;
    Ok(())
}

/// The entry of that name; an empty table is added if there is none.
fn child<'t>(entries: &'t mut Vec<Entry>, key: &str, origin: Origin) -> &'t mut Entry {
    let at = entries.iter().position(|e| e.key == key).unwrap_or(entries.len());
    if at == entries.len() {
        let node = Node { data: Data::Table(Vec::new()), origin };
        entries.push(Entry { key: key.to_owned(), origin, node });
    }
    #[expect(clippy::indexing_slicing, reason = "found or pushed there just now")]
    &mut entries[at]
}

/// The key path and the value's text. TOML's own parser reads the keys, so quoting works as in the file.
fn split(argument: &str) -> Result<(Vec<String>, &str), String> {
    for (at, _) in argument.match_indices('=') {
        let (keys, text) = argument.split_at(at);
        let toml = format!("{keys} = 0");
        let Ok(document) = DeTable::parse(&toml) else {
            continue;
        };
        let mut path = Vec::new();
        let mut table = document.get_ref();
        while let Some((key, value)) = table.iter().next() {
            path.push(key.get_ref().to_string());
            match value.get_ref().as_table() {
                Some(inner) => table = inner,
                None => return Ok((path, text.get(1..).unwrap_or_default())),
            }
        }
    }
    Err(if argument.contains('=') {
        "there is no key before the `=`".to_owned()
    } else {
        "there is no `=` after the key".to_owned()
    })
}

/// A TOML value, or bare words as text. What starts like a list, table or quoted text must be one.
fn value(text: &str, origin: Origin) -> Result<Node, String> {
    let bare = || Ok(Node { data: Data::Text(text.to_owned()), origin });
    match toml_value_at(text, origin) {
        // A date is taken as text, since no key accepts a date.
        Ok(node) if matches!(node.data, Data::Other(_)) && text.contains(['-', ':']) => bare(),
        Ok(node) => Ok(node),
        Err(message) if text.starts_with(['[', '{', '"', '\'']) => Err(format!("the value is not TOML: {message}")),
        Err(_) => bare(),
    }
}
