//! [`FileNames`]: maps the names in a weights file to a network's names.

use std::collections::{BTreeSet, HashSet};

use super::name_map::NameMap;
use super::network::Network;

/// Prefixes that programs add to every name: PyTorch's DataParallel and AveragedModel, torch.compile, Lightning.
const IN_FRONT: [&str; 5] = ["module.", "_orig_mod.", "model.", "net.", "network."];

/// How the names of one file become a network's: by the user's rules, else without what is in front of the
/// network's, else by the network's own aliases.
pub(super) struct FileNames<'a> {
    own: HashSet<String>,
    rules: &'a NameMap,
    aliases: NameMap,
    in_front: String,
}

impl<'a> FileNames<'a> {
    pub(super) fn new(
        network: &dyn Network,
        own: impl Iterator<Item = String>,
        found: &[&str],
        rules: &'a NameMap,
    ) -> Self {
        let own: HashSet<String> = own.collect();
        let aliases = network.aliases();
        let in_front = in_front(&own, &aliases, found);
        Self { own, rules, aliases, in_front }
    }

    /// The network's name for a name in the file; for a name that the network lacks, the mapped name.
    pub(super) fn map(&self, name: &str) -> String {
        let plain = name.strip_prefix(&self.in_front).unwrap_or(name);
        match () {
            () if self.rules.applies(name) => self.rules.map(name),
            () if self.rules.applies(plain) => self.rules.map(plain),
            () if self.own.contains(plain) => plain.into(),
            () => self.aliases.map(plain),
        }
    }

    /// Whether a name is the network's.
    pub(super) fn is_own(&self, name: &str) -> bool {
        self.own.contains(name)
    }

    /// Whether a name is of something else in the same file: what is in front of all the network's is not in front of
    /// it, as of the loss next to a model of Lightning's.
    pub(super) fn is_beside(&self, name: &str) -> bool {
        !name.starts_with(&self.in_front) && !self.rules.applies(name)
    }

    /// What rules of the user's map replace, where no name in the file begins so.
    pub(super) fn idle_rules(&self, found: &[&str]) -> Vec<String> {
        let plain = |name: &&str| name.strip_prefix(&self.in_front).unwrap_or_default().to_string();
        let plain: Vec<String> = found.iter().map(plain).collect();
        let is_idle = |from: &&str| {
            let begins = |name: &str| name.starts_with(*from);
            !found.iter().any(|name| begins(name)) && !plain.iter().any(|name| begins(name))
        };
        self.rules.replaced().filter(is_idle).map(String::from).collect()
    }
}

/// Values that PyTorch saves in addition to weights and that no network uses: the number of batches of a
/// normalisation, the number of models in an average.
pub(super) fn is_counter(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    matches!(last, "num_batches_tracked" | "n_averaged")
}

/// What is in front of all the network's names in a file: what programs put in front of every name, or else what all
/// of the network is there behind.
fn in_front(own: &HashSet<String>, aliases: &NameMap, found: &[&str]) -> String {
    let all = in_front_of_all(own, found);
    let is_whole = |start: &str| {
        let plain = found.iter().filter_map(|name| name.strip_prefix(start));
        let named: HashSet<String> = plain
            .map(|name| if own.contains(name) { name.into() } else { aliases.map(name) })
            .collect();
        own.is_subset(&named)
    };
    if !all.is_empty() || is_whole("") {
        return all;
    }
    let starts: BTreeSet<&str> = found
        .iter()
        .flat_map(|name| name.match_indices('.').map(|(at, dot)| &name[..at + dot.len()]))
        .collect();
    // Of two, such as a student and its teacher, none is guessed.
    let mut whole = starts.into_iter().filter(|start| is_whole(start));
    match (whole.next(), whole.next()) {
        (Some(one), None) => one.into(),
        _ => all,
    }
}

/// What programs put in front of all names of a file, and is in front of no name of the network.
fn in_front_of_all(own: &HashSet<String>, found: &[&str]) -> String {
    let weights: Vec<&str> = found.iter().copied().filter(|name| !is_counter(name)).collect();
    let mut all = String::new();
    loop {
        let is_in_front = |part: &&&str| {
            let longer = format!("{all}{part}");
            weights.iter().all(|name| name.starts_with(&longer))
                && !own.iter().any(|name| name.starts_with(**part))
        };
        match IN_FRONT.iter().find(is_in_front) {
            Some(part) if !weights.is_empty() => all.push_str(part),
            _ => return all,
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::model::SeedCnn;

    #[test]
    fn wrappers_are_taken_off_and_the_users_rules_come_first() {
        let network = SeedCnn::new(Device::Cpu, 1).unwrap();
        let own = || {
            let tensors = network.parameters().named_tensors().unwrap();
            tensors.into_iter().map(|(name, _)| name)
        };
        let identity = NameMap::identity();
        let mapped = |found: &[&str], rules: &NameMap| {
            let names = FileNames::new(&network, own(), found, rules);
            found.iter().map(|name| names.map(name)).collect::<Vec<_>>()
        };
        let weight = ["conv1_1.weight"];
        assert_eq!(mapped(&["module.conv1_1.weight"], &identity), weight);
        assert_eq!(mapped(&["module._orig_mod.model.conv1_1.weight"], &identity), weight);
        assert_eq!(mapped(&["model.0.weight"], &identity), weight);
        assert_eq!(mapped(&["module.conv1_1.weight", "n_averaged"], &identity)[..1], weight);
        assert_eq!(mapped(&["module.x.weight", "y.weight"], &identity)[0], "module.x.weight");
        // All of the network behind any word, and a loss beside it; of two networks, none.
        let behind =
            |start: &str| -> Vec<String> { own().map(|name| format!("{start}{name}")).collect() };
        let student: Vec<String> =
            [behind("student.cnn."), vec!["loss.weight".to_string()]].concat();
        let both: Vec<String> = [behind("teacher."), behind("student.")].concat();
        let student: Vec<&str> = student.iter().map(String::as_str).collect();
        let both: Vec<&str> = both.iter().map(String::as_str).collect();
        assert_eq!(mapped(&student, &identity)[..1], own().take(1).collect::<Vec<_>>());
        let names = FileNames::new(&network, own(), &student, &identity);
        assert!(names.is_beside("loss.weight") && !names.is_beside(student[0]));
        assert_eq!(mapped(&both, &identity), both);
        let rules = NameMap::identity().rename("first", "conv1_1").rename("last", "dense2");
        assert_eq!(mapped(&["module.first.weight"], &rules), weight);
        let found = ["module.first.weight"];
        assert_eq!(FileNames::new(&network, own(), &found, &rules).idle_rules(&found), ["last"]);
    }
}
