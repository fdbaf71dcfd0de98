//! From text to tree, with Python's precedence.

use crate::lex::{Placed, Word, words};
use crate::mistake::Mistake;
use crate::tree::{Binary, Compare, Id, Node, Statement, Tree, Unary, What};
use std::ops::Range;

/// Deepest nesting: the parser calls itself.
const DEEPEST: usize = 64;
/// Most nodes.
const MOST_NODES: usize = 4000;

/// Instead of Python's `if`.
const CHOICE: &str = "write where(condition, then, otherwise)";

/// A place of which the mistake has been noted.
struct Wrong;

/// Reads a text; of a wrong statement only the name is left.
pub fn parse(text: &str, mistakes: &mut Vec<Mistake>) -> Tree {
    let words = words(text, mistakes);
    let mut parser =
        Parser { words: &words, at: 0, depth: 0, open: 0, end: text.len(), tree: Tree::default(), mistakes };
    parser.all();
    parser.tree
}

struct Parser<'a> {
    words: &'a [Placed],
    at: usize,
    depth: usize,
    /// Open parentheses and brackets, in which lines have no end.
    open: usize,
    end: usize,
    tree: Tree,
    mistakes: &'a mut Vec<Mistake>,
}

/// Binding powers, weakest first.
mod power {
    pub const OR: u8 = 1;
    pub const AND: u8 = 2;
    pub const NOT: u8 = 3;
    pub const COMPARE: u8 = 4;
    pub const BIT_OR: u8 = 5;
    pub const BIT_XOR: u8 = 6;
    pub const BIT_AND: u8 = 7;
    pub const SHIFT: u8 = 8;
    pub const SUM: u8 = 9;
    pub const PRODUCT: u8 = 10;
    pub const SIGN: u8 = 11;
    pub const POWER: u8 = 12;
}

fn binary(word: &Word) -> Option<(Binary, u8)> {
    Some(match word {
        Word::Symbol("+") => (Binary::Add, power::SUM),
        Word::Symbol("-") => (Binary::Subtract, power::SUM),
        Word::Symbol("*") => (Binary::Multiply, power::PRODUCT),
        Word::Symbol("/") => (Binary::Divide, power::PRODUCT),
        Word::Symbol("//") => (Binary::FloorDivide, power::PRODUCT),
        Word::Symbol("%") => (Binary::Remainder, power::PRODUCT),
        Word::Symbol("**") => (Binary::Power, power::POWER),
        Word::Symbol("&") => (Binary::BitAnd, power::BIT_AND),
        Word::Symbol("|") => (Binary::BitOr, power::BIT_OR),
        Word::Symbol("^") => (Binary::BitXor, power::BIT_XOR),
        Word::Symbol("<<") => (Binary::ShiftLeft, power::SHIFT),
        Word::Symbol(">>") => (Binary::ShiftRight, power::SHIFT),
        Word::Name(name) if name == "and" => (Binary::And, power::AND),
        Word::Name(name) if name == "or" => (Binary::Or, power::OR),
        _ => return None,
    })
}

fn comparison(word: &Word) -> Option<Compare> {
    Some(match word {
        Word::Symbol("<") => Compare::Less,
        Word::Symbol("<=") => Compare::LessEqual,
        Word::Symbol(">") => Compare::Greater,
        Word::Symbol(">=") => Compare::GreaterEqual,
        Word::Symbol("==") => Compare::Equal,
        Word::Symbol("!=") => Compare::NotEqual,
        _ => return None,
    })
}

impl Parser<'_> {
    fn all(&mut self) {
        while self.at < self.words.len() {
            if self.peek() == Some(&Word::Break) {
                self.at = self.at.saturating_add(1);
                continue;
            }
            (self.depth, self.open) = (0, 0);
            let name = self.assigned();
            if self.statement(name.clone()).is_err() {
                let end = self.tree.nodes.len();
                if name.is_some() {
                    self.tree.statements.push(Statement { name, value: None, nodes: end..end });
                }
                // On with the next line.
                while self.peek().is_some_and(|word| *word != Word::Break) {
                    self.at = self.at.saturating_add(1);
                }
            }
        }
    }

    /// The name that the next statement gives its value.
    fn assigned(&mut self) -> Option<(String, Range<usize>)> {
        match (self.words.get(self.at), self.words.get(self.at.saturating_add(1))) {
            (Some((Word::Name(name), span)), Some((Word::Symbol("="), _))) => {
                self.at = self.at.saturating_add(2);
                Some((name.clone(), span.clone()))
            }
            _ => None,
        }
    }

    fn statement(&mut self, name: Option<(String, Range<usize>)>) -> Result<(), Wrong> {
        let from = self.tree.nodes.len();
        let value = self.expression(0)?;
        match self.word() {
            None | Some(Word::Break) => {}
            Some(Word::Symbol("=")) => {
                return Err(self.wrong(self.here(), "= gives a value a name", "to compare two values, write =="));
            }
            Some(Word::Symbol("&&")) => return Err(self.wrong(self.here(), "&& is no operator", "write `and`")),
            Some(Word::Symbol("||")) => return Err(self.wrong(self.here(), "|| is no operator", "write `or`")),
            Some(Word::Symbol("<>")) => return Err(self.wrong(self.here(), "<> is no operator", "write !=")),
            Some(Word::Symbol(")" | "]")) => {
                return Err(self.wrong(self.here(), "nothing is open that this closes", ""));
            }
            Some(Word::Name(name)) if name == "if" => {
                return Err(self.wrong(self.here(), "expected an operator, or the end", CHOICE));
            }
            Some(_) => {
                return Err(self.wrong(
                    self.here(),
                    "expected an operator, or the end",
                    "several statements are separated by ; or a new line",
                ));
            }
        }
        self.tree.statements.push(Statement { name, value: Some(value), nodes: from..self.tree.nodes.len() });
        Ok(())
    }

    /// An expression of operators that bind more tightly than `least`.
    fn expression(&mut self, least: u8) -> Result<Id, Wrong> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > DEEPEST {
            return Err(self.wrong(
                self.here(),
                format!("nested more than {DEEPEST} deep"),
                "give parts of it a name: part = …; part * 2",
            ));
        }
        let mut left = self.prefix()?;
        while let Some(word) = self.word() {
            if let Some((operator, power)) = binary(word) {
                if power <= least {
                    break;
                }
                self.next();
                // A power's exponent may have a sign, and powers go from right to left.
                let right = self.expression(if operator == Binary::Power { power::SIGN } else { power })?;
                left = self.node(What::Binary(operator, left, right), self.span(left).start..self.span(right).end)?;
            } else if comparison(word).is_some() && power::COMPARE > least {
                left = self.comparisons(left)?;
            } else {
                break;
            }
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(left)
    }

    fn comparisons(&mut self, first: Id) -> Result<Id, Wrong> {
        let mut others = Vec::new();
        let mut end = self.span(first).end;
        while let Some(operator) = self.word().and_then(comparison) {
            self.next();
            let other = self.expression(power::COMPARE)?;
            end = self.span(other).end;
            others.push((operator, other));
        }
        self.node(What::Compare(first, others), self.span(first).start..end)
    }

    fn prefix(&mut self) -> Result<Id, Wrong> {
        let place = self.here();
        let Some(word) = self.word().cloned() else {
            return Err(self.wrong(place, "expected a value, found the end", ""));
        };
        let unary = match &word {
            Word::Symbol("-") => Some((Unary::Minus, power::SIGN)),
            Word::Symbol("+") => Some((Unary::Plus, power::SIGN)),
            Word::Symbol("~") => Some((Unary::Invert, power::SIGN)),
            Word::Name(name) if name == "not" => Some((Unary::Not, power::NOT)),
            _ => None,
        };
        self.next();
        if let Some((operator, power)) = unary {
            // The operand of `not` takes comparisons in, that of a sign takes powers.
            let operand = self.expression(power)?;
            return self.node(What::Unary(operator, operand), place.start..self.span(operand).end);
        }
        let mut value = match word {
            Word::Number(value, whole) => self.node(What::Number(value, whole), place)?,
            Word::Name(name)
                if matches!(name.as_str(), "and" | "or" | "if" | "else" | "in" | "is" | "lambda" | "for") =>
            {
                let remedy = if name == "if" || name == "else" { CHOICE } else { "" };
                return Err(self.wrong(place, format!("expected a value, found `{name}`"), remedy));
            }
            Word::Name(name) if self.word() == Some(&Word::Symbol("(")) => {
                self.next();
                let arguments = self.list(")")?;
                let end = self.before();
                self.node(What::Call(name, place.clone(), arguments), place.start..end)?
            }
            Word::Name(name) => self.node(What::Name(name), place)?,
            Word::Symbol("(") => {
                self.open = self.open.saturating_add(1);
                let inner = self.expression(0)?;
                self.close(")", &place)?;
                let end = self.before();
                if let Some(node) = self.tree.nodes.get_mut(inner) {
                    node.parentheses = true;
                    node.span = place.start..end;
                }
                inner
            }
            Word::Symbol("!") => return Err(self.wrong(place, "! is no operator", "write `not`, or != to compare")),
            Word::Symbol(symbol) => return Err(self.wrong(place, format!("expected a value, found {symbol}"), "")),
            Word::Break => {
                // The next statement begins behind it.
                self.at = self.at.saturating_sub(1);
                return Err(self.wrong(place, "expected a value, found the end of the line", ""));
            }
        };
        while self.word() == Some(&Word::Symbol("[")) {
            let open = self.here();
            self.next();
            self.open = self.open.saturating_add(1);
            let band = self.expression(0)?;
            self.close("]", &open)?;
            value = self.node(What::Band(value, band), self.span(value).start..self.before())?;
        }
        Ok(value)
    }

    /// Values with commas between them, up to the closing parenthesis.
    fn list(&mut self, close: &'static str) -> Result<Vec<Id>, Wrong> {
        let open = self.before().saturating_sub(1)..self.before();
        self.open = self.open.saturating_add(1);
        let mut values = Vec::new();
        while self.word() != Some(&Word::Symbol(close)) {
            values.push(self.expression(0)?);
            if self.word() == Some(&Word::Symbol("=")) {
                return Err(self.wrong(
                    self.here(),
                    "= gives a value a name, and arguments have none",
                    "write the values alone, in their order; to compare two, write ==",
                ));
            }
            if self.word() != Some(&Word::Symbol(",")) {
                break;
            }
            self.next();
        }
        self.close(close, &open)?;
        Ok(values)
    }

    fn close(&mut self, close: &'static str, open: &Range<usize>) -> Result<(), Wrong> {
        match self.word() {
            Some(Word::Symbol(symbol)) if *symbol == close => {
                self.open = self.open.saturating_sub(1);
                self.next();
                Ok(())
            }
            None => Err(self.wrong(open.clone(), format!("nothing closes this: {close} is missing"), "")),
            Some(Word::Symbol("=")) => {
                Err(self.wrong(self.here(), "= gives a value a name", "to compare two values, write =="))
            }
            Some(Word::Symbol("&&")) => Err(self.wrong(self.here(), "&& is no operator", "write `and`")),
            Some(Word::Symbol("||")) => Err(self.wrong(self.here(), "|| is no operator", "write `or`")),
            Some(word) => {
                let remedy = if *word == Word::Name("if".to_owned()) { CHOICE } else { "" };
                let what =
                    if close == ")" { "expected an operator, a comma or )" } else { "expected an operator or ]" };
                Err(self.wrong(self.here(), what, remedy))
            }
        }
    }

    /// The next word; in parentheses lines have no end.
    fn word(&mut self) -> Option<&Word> {
        while self.open > 0 && self.peek() == Some(&Word::Break) {
            self.at = self.at.saturating_add(1);
        }
        self.peek()
    }

    fn peek(&self) -> Option<&Word> {
        self.words.get(self.at).map(|(word, _)| word)
    }

    fn next(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// The place of the next word.
    fn here(&self) -> Range<usize> {
        self.words.get(self.at).map_or(self.end..self.end, |(_, span)| span.clone())
    }

    /// The end of the last word.
    fn before(&self) -> usize {
        self.at.checked_sub(1).and_then(|at| self.words.get(at)).map_or(0, |(_, span)| span.end)
    }

    fn span(&self, id: Id) -> Range<usize> {
        self.tree.nodes.get(id).map(|node| node.span.clone()).unwrap_or_default()
    }

    fn node(&mut self, what: What, span: Range<usize>) -> Result<Id, Wrong> {
        if self.tree.nodes.len() >= MOST_NODES {
            // Nothing more is read.
            self.at = self.words.len();
            return Err(self.wrong(span, format!("the expression has more than {MOST_NODES} parts"), ""));
        }
        self.tree.nodes.push(Node { what, span, parentheses: false });
        Ok(self.tree.nodes.len().saturating_sub(1))
    }

    fn wrong(&mut self, span: Range<usize>, message: impl Into<String>, remedy: &str) -> Wrong {
        self.mistakes.push(Mistake { span, message: message.into(), remedy: remedy.to_owned() });
        Wrong
    }
}
