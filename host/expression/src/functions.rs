//! The functions that an expression may call: their names, and how many values they take.

use crate::layout::statistic;

/// What a function does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Where,
    Fill,
    IsValid,
    /// The smallest of several values, or of one value over files or bands.
    Min,
    /// The largest.
    Max,
    Clip,
    Absolute,
    SquareRoot,
    Floor,
    Ceil,
    Round,
    Truncate,
    Power,
    And,
    Or,
    Not,
    /// A function of the runtime of one number.
    Call1(&'static str),
    /// One of two.
    Call2(&'static str),
    /// A constant of [`statistic`].
    Statistic(u32),
    Median,
    Percentile,
}

/// Any number of values.
const ANY: usize = usize::MAX;

/// Name, what it does, fewest and most values, how it is written.
type Entry = (&'static str, Function, usize, usize, &'static str);

const FUNCTIONS: &[Entry] = &[
    ("where", Function::Where, 3, 3, "where(condition, then, otherwise)"),
    ("fill", Function::Fill, 2, 2, "fill(x, instead)"),
    ("isvalid", Function::IsValid, 1, 1, "isvalid(x)"),
    ("min", Function::Min, 1, ANY, "min(a, b, …)"),
    ("max", Function::Max, 1, ANY, "max(a, b, …)"),
    ("minimum", Function::Min, 2, 2, "minimum(a, b)"),
    ("maximum", Function::Max, 2, 2, "maximum(a, b)"),
    ("clip", Function::Clip, 3, 3, "clip(x, lowest, highest)"),
    ("abs", Function::Absolute, 1, 1, "abs(x)"),
    ("sqrt", Function::SquareRoot, 1, 1, "sqrt(x)"),
    ("floor", Function::Floor, 1, 1, "floor(x)"),
    ("ceil", Function::Ceil, 1, 1, "ceil(x)"),
    ("round", Function::Round, 1, 1, "round(x)"),
    ("trunc", Function::Truncate, 1, 1, "trunc(x)"),
    ("pow", Function::Power, 2, 2, "pow(x, y)"),
    ("power", Function::Power, 2, 2, "power(x, y)"),
    ("logical_and", Function::And, 2, 2, "logical_and(a, b)"),
    ("logical_or", Function::Or, 2, 2, "logical_or(a, b)"),
    ("logical_not", Function::Not, 1, 1, "logical_not(a)"),
    ("exp", Function::Call1("m_exp"), 1, 1, "exp(x)"),
    ("log", Function::Call1("m_log"), 1, 1, "log(x)"),
    ("log2", Function::Call1("m_log2"), 1, 1, "log2(x)"),
    ("log10", Function::Call1("m_log10"), 1, 1, "log10(x)"),
    ("sin", Function::Call1("m_sin"), 1, 1, "sin(x)"),
    ("cos", Function::Call1("m_cos"), 1, 1, "cos(x)"),
    ("tan", Function::Call1("m_tan"), 1, 1, "tan(x)"),
    ("asin", Function::Call1("m_asin"), 1, 1, "asin(x)"),
    ("acos", Function::Call1("m_acos"), 1, 1, "acos(x)"),
    ("atan", Function::Call1("m_atan"), 1, 1, "atan(x)"),
    ("atan2", Function::Call2("m_atan2"), 2, 2, "atan2(y, x)"),
    ("arcsin", Function::Call1("m_asin"), 1, 1, "arcsin(x)"),
    ("arccos", Function::Call1("m_acos"), 1, 1, "arccos(x)"),
    ("arctan", Function::Call1("m_atan"), 1, 1, "arctan(x)"),
    ("arctan2", Function::Call2("m_atan2"), 2, 2, "arctan2(y, x)"),
    ("mean", Function::Statistic(statistic::MEAN), 1, 1, "mean(x)"),
    ("sum", Function::Statistic(statistic::SUM), 1, 1, "sum(x)"),
    ("std", Function::Statistic(statistic::STD), 1, 1, "std(x)"),
    ("count", Function::Statistic(statistic::COUNT), 1, 1, "count(x)"),
    ("median", Function::Median, 1, 1, "median(x)"),
    ("percentile", Function::Percentile, 2, 2, "percentile(x, percent)"),
];

/// Names of other languages and libraries, and what to write.
const ELSEWHERE: &[(&str, &str)] = &[
    ("isnan", "write not isvalid(x)"),
    ("nan_to_num", "write fill(x, 0)"),
    ("if", "write where(condition, then, otherwise)"),
    ("ifelse", "write where(condition, then, otherwise)"),
    ("iif", "write where(condition, then, otherwise)"),
    ("con", "write where(condition, then, otherwise)"),
    ("ln", "write log(x)"),
    ("average", "write mean(x)"),
    ("nanmean", "write mean(x), which leaves invalid pixels out"),
    ("nanmedian", "write median(x), which leaves invalid pixels out"),
    ("int", "write trunc(x); an output's type is set by --type, or dtype in the job file"),
    ("astype", "an output's type is set by --type, or dtype in the job file"),
];

/// The function of this name.
pub fn find(name: &str) -> Option<&'static Entry> {
    FUNCTIONS.iter().find(|entry| entry.0 == name)
}

/// What to do about a name that no function has.
pub fn remedy(name: &str) -> String {
    if let Some((_, remedy)) = ELSEWHERE.iter().find(|(other, _)| *other == name) {
        return (*remedy).to_owned();
    }
    let names = FUNCTIONS.iter().map(|entry| entry.0);
    match crate::mistake::did_you_mean(name, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are: {}", names.collect::<Vec<_>>().join(", ")),
    }
}
