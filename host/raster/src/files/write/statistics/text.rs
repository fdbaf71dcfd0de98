//! Numbers as C prints them, since GDAL stores them so.

/// A number with so many digits that count, as C's `%.*g` has it.
pub(crate) fn general(value: f64, digits: usize) -> String {
    let scientific = format!("{value:.*e}", digits.saturating_sub(1));
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| {
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
    };
    match usize::try_from(i64::try_from(digits).unwrap_or(0) - 1 - i64::from(exponent)) {
        Ok(decimals) if exponent >= -4 => trim(&format!("{value:.decimals$}")),
        _ => format!("{}e{}{:02}", trim(mantissa), if exponent < 0 { '-' } else { '+' }, exponent.abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected texts by C: `printf %.14g`, `printf %.4g`.
    #[test]
    fn numbers_as_c_prints_them() {
        for (value, expected) in [
            (0.0, "0"),
            (100.0, "100"),
            (-2.5, "-2.5"),
            (1.0 / 3.0, "0.33333333333333"),
            (123_456_789_012_345.0, "1.2345678901234e+14"),
            (12_345_678_901_234.0, "12345678901234"),
            (0.000_012_5, "1.25e-05"),
            (0.000_125, "0.000125"),
            (1e300, "1e+300"),
        ] {
            assert_eq!(general(value, 14), expected);
        }
        assert_eq!(general(99.876_54, 4), "99.88");
        assert_eq!(general(0.001_234_56, 4), "0.001235");
    }
}
