//! `key = value` lists inside attributes.

use syn::{
    Error, Expr, Ident, Result, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser},
    punctuated::Punctuated,
};

/// One `key = value`.
pub struct KeyValue {
    pub key: Ident,
    pub value: Expr,
}

impl Parse for KeyValue {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let key = input.call(Ident::parse_any)?;
        if !input.peek(Token![=]) {
            return Err(Error::new_spanned(&key, format!("`{key}` needs a value: `{key} = …`")));
        }
        input.parse::<Token![=]>()?;
        Ok(Self { key, value: input.parse()? })
    }
}

/// Reads a list of pairs, each key at most once and one of those in `known`.
pub fn parse(tokens: proc_macro2::TokenStream, known: &[&str]) -> Result<Vec<KeyValue>> {
    let pairs: Vec<_> = Punctuated::<KeyValue, Token![,]>::parse_terminated.parse2(tokens)?.into_iter().collect();
    let mut seen: Vec<&Ident> = Vec::new();
    for KeyValue { key, .. } in &pairs {
        if !known.iter().any(|known| key == known) {
            return Err(Error::new_spanned(key, format!("unknown key `{key}`; the keys are: {}", known.join(", "))));
        }
        if seen.contains(&key) {
            return Err(Error::new_spanned(key, format!("`{key}` is given twice")));
        }
        seen.push(key);
    }
    Ok(pairs)
}
