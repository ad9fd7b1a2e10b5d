//! [`FileNames`]: maps the names in a weights file to a network's names.

use std::collections::HashSet;

use super::name_map::NameMap;
use super::network::Network;

/// Prefixes that programs add to every name: PyTorch's DataParallel and AveragedModel, torch.compile, Lightning.
const IN_FRONT: [&str; 5] = ["module.", "_orig_mod.", "model.", "net.", "network."];

/// Maps the names of one file to a network's: by the user's rules, else without a common prefix, else by the
/// network's aliases.
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
        let in_front = in_front(&own, found);
        Self { own, rules, aliases: network.aliases(), in_front }
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

    /// The prefixes of the user's rules that no name in the file starts with.
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

/// The prefix of all names of a file that no name of the network has.
fn in_front(own: &HashSet<String>, found: &[&str]) -> String {
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
        let rules = NameMap::identity().rename("first", "conv1_1").rename("last", "dense2");
        assert_eq!(mapped(&["module.first.weight"], &rules), weight);
        let found = ["module.first.weight"];
        assert_eq!(FileNames::new(&network, own(), &found, &rules).idle_rules(&found), ["last"]);
    }
}
