//! [`NameMap`]: maps names of weights in a file to those of a network.

/// Renames weights of a file to a network's names. A name without a rule stays unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameMap {
    rules: Vec<(String, String)>,
}

impl NameMap {
    /// Keeps every name.
    pub fn identity() -> Self {
        Self::default()
    }

    /// Replaces the prefix `from` of a name by `to`. If several rules match, the one with the longest `from`
    /// applies.
    pub fn rename(mut self, from: impl Into<String>, to: impl Into<String>) -> Self {
        self.rules.push((from.into(), to.into()));
        self
    }

    /// The network's name for a name in the file.
    pub fn map(&self, name: &str) -> String {
        let fitting = self.rules.iter().filter(|(from, _)| name.starts_with(from.as_str()));
        match fitting.max_by_key(|(from, _)| from.len()) {
            Some((from, to)) => format!("{to}{}", &name[from.len()..]),
            None => name.to_string(),
        }
    }

    /// Whether a rule matches a name.
    pub(crate) fn applies(&self, name: &str) -> bool {
        self.replaced().any(|from| name.starts_with(from))
    }

    /// The prefixes that the rules replace.
    pub(crate) fn replaced(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|(from, _)| from.as_str())
    }
}
