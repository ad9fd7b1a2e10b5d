//! The figures of a study of hyperparameters.

mod front;
mod history;
mod importance;
mod parallel;
mod slice;
mod trials;

#[cfg(test)]
mod tests {
    use crate::evaluate::tune::{Cost, Space, Study, StudyConfig, Trial};
    use crate::train::Recipe;

    /// A study of two objectives, one of whose hyperparameters is not tuned in all trials.
    fn study_of_two(folder: &std::path::Path, trials: usize) -> Study {
        let momentum = Space::new().float("train.optimizer.momentum", 0.5, 0.99);
        let space = Space::new()
            .float("network.block_dropout", 0.0, 0.5)
            .choice("train.optimizer.name", ["adam", "sgd"])
            .when("train.optimizer.name", ["sgd"], momentum);
        let config = StudyConfig::new(space, Recipe::default());
        let config = StudyConfig { cost: Some(Cost::Flops), pruner: None, ..config };
        Study::with_config(folder, config).unwrap();
        for number in 1..=trials {
            let share = (number * 7 % 20) as f64 / 20.0;
            let path = Trial::folder(folder, number);
            std::fs::create_dir_all(&path).unwrap();
            let values = match number % 3 {
                0 => "'train.optimizer.name' = 'adam'".to_string(),
                _ => format!(
                    "'train.optimizer.name' = 'sgd'\n'train.optimizer.momentum' = {}",
                    0.5 + 0.4 * share
                ),
            };
            let text = format!(
                "number = {number}\nstate = 'complete'\nvalue = {}\ncost = {}\nepochs = 3\n\
                 [values]\n'network.block_dropout' = {}\n{values}",
                1.5 - share.sqrt() + 0.3 * (number % 2) as f64,
                2e7 + 1.5e8 * share,
                share / 2.0,
            );
            std::fs::write(path.join("trial.toml"), text).unwrap();
        }
        Study::load(folder).unwrap()
    }

    #[test]
    fn two_objectives_have_a_front_and_lines_pass_below_what_is_not_tuned() {
        let folder = tempfile::tempdir().unwrap();
        let study = study_of_two(folder.path(), 20);
        let front = study.front_figure().unwrap();
        for part in ["Pareto front", "million floating-point", "val_loss", "20 trials"] {
            assert!(front.svg().contains(part), "{part}");
        }
        for trial in study.front() {
            assert!(front.svg().contains(&format!(">trial {}<", trial.number)));
        }
        for (name, figure) in [
            ("front", front),
            ("parallel_of_two", study.parallel_figure().unwrap()),
            ("slice_of_two", study.slice_figure().unwrap()),
        ] {
            assert!(figure.svg().contains("20 trials"), "none is left out of {name}");
            if let Some(folder) = std::env::var_os("FER_TEST_FIGURES") {
                let path = std::path::Path::new(&folder).join(format!("tuning_{name}.png"));
                figure.save(&path).unwrap().save(path.with_extension("pdf")).unwrap();
            }
        }
        let parallel = study.parallel_figure().unwrap();
        for part in ["not tuned", ">optimizer<"] {
            assert_eq!(parallel.svg().matches(part).count(), 1, "{part}");
        }
        // Momentum counts among the trials that tune it.
        let importances = study.importances();
        assert!(importances.iter().any(|(path, _)| path.ends_with("momentum")), "{importances:?}");
        let one = self::study(&folder.path().join("one"), 3);
        assert!(one.front_figure().unwrap().svg().contains("one objective"));
    }

    /// A study whose trials say what a smooth function of their values says.
    fn study(folder: &std::path::Path, trials: usize) -> Study {
        let space = Space::new()
            .log("train.learning_rate", 1e-4, 1e-2)
            .float("network.block_dropout", 0.0, 0.5)
            .int("train.clean_epochs", 0, 10)
            .choice("train.batch_size", [32, 64, 128])
            .log("train.optimizer.weight_decay", 1e-5, 1e-1);
        let mut recipe = Recipe::default();
        recipe.set("choice.monitor", "val_accuracy").unwrap();
        recipe.set(
            "train.optimizer",
            "{ name = 'adamw', beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7, weight_decay = 0.01 }",
        )
        .unwrap();
        let study = Study::open(folder, space, recipe).unwrap();
        for number in 1..=trials {
            let drawn =
                |salt| (crate::common::random::derive(number as u64, salt) % 1000) as f64 / 1000.0;
            let mut values = toml::Table::new();
            for (salt, (path, range)) in study.config().space.ranges().enumerate() {
                let (low, high) = range.bounds();
                values.insert(path.into(), range.value(low + (high - low) * drawn(salt)));
            }
            let rate = values["train.learning_rate"].as_float().unwrap().log10();
            let drop = values["network.block_dropout"].as_float().unwrap();
            let value = 0.64 - 0.05 * (rate + 3.0).powi(2) - 0.2 * (drop - 0.1).abs();
            let state = if number % 5 == 0 { "pruned" } else { "complete" };
            let value = value - 0.01 * drawn(9);
            let trial =
                format!("number = {number}\nstate = '{state}'\nvalue = {value}\nepochs = 3");
            let mut trial: toml::Table = trial.parse().unwrap();
            trial.insert("values".into(), values.into());
            let path = Trial::folder(folder, number);
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(path.join("trial.toml"), toml::to_string(&trial).unwrap()).unwrap();
        }
        Study::load(folder).unwrap()
    }

    #[test]
    fn every_figure_names_its_axes() {
        let folder = tempfile::tempdir().unwrap();
        let study = study(folder.path(), 24);
        let table = study.overview().unwrap().to_string();
        assert!(
            table.contains("batch_size") && !table.contains("4.0000"),
            "whole numbers: {table}"
        );
        let figures = [
            ("history", study.history_figure().unwrap(), vec!["trial", "val_accuracy", "pruned"]),
            ("importances", study.importances_figure().unwrap(), vec!["learning_rate", "%"]),
            ("parallel", study.parallel_figure().unwrap(), vec!["batch_size", "1e-3", "128"]),
            ("slice", study.slice_figure().unwrap(), vec!["weight_decay", "val_accuracy"]),
        ];
        for (name, figure, parts) in figures {
            for part in parts {
                assert!(figure.svg().contains(part), "{part} in {name}");
            }
            assert!(figure.svg().contains("24 trials"), "{name}");
            if let Some(folder) = std::env::var_os("FER_TEST_FIGURES") {
                let file = format!("tuning_{name}.png");
                figure.save(std::path::Path::new(&folder).join(file)).unwrap();
            }
        }
        // What has no part in the function explains next to nothing.
        let importances = study.importances();
        let names: Vec<_> = importances.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(names[..2], ["network.block_dropout", "train.learning_rate"], "{importances:?}");
        assert!(importances[2].1 < 0.15, "{importances:?}");
    }

    #[test]
    fn few_trials_or_none_are_drawn_too() {
        for trials in [0, 1, 3] {
            let folder = tempfile::tempdir().unwrap();
            let study = study(folder.path(), trials);
            study.history_figure().unwrap();
            study_of_two(&folder.path().join("two"), trials).front_figure().unwrap();
            study.parallel_figure().unwrap();
            study.slice_figure().unwrap();
            let figure = study.importances_figure().unwrap();
            assert!(figure.svg().contains("five finished trials"), "{trials}");
        }
    }
}
