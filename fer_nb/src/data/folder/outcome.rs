//! [`Outcome`]: what became of each file in the folders of classes, and what is said of it.

use std::path::Path;

use super::listing::Found;
use super::seen::LAYOUT;
use crate::common::file_kind::FileKind;
use crate::common::way_out::Wanted;
use crate::common::{Error, Result, command, text};
use crate::data::decode::Converted;
use crate::data::layout::Change;

/// What became of a file in a class's folder.
pub(super) enum Outcome {
    Image(Converted),
    /// It is an image and can't be decoded, in a few words.
    Broken(String),
    /// The system does not let it be read, as it says.
    Unreadable(String),
    /// It is a picture of a kind that is not read.
    Other(FileKind),
    /// It is something else, which a data set may hold: by noun.
    PassedOver(String),
}

/// What a file that is no image is, for the count of what was passed over.
pub(super) fn noun(kind: Option<FileKind>, path: &Path) -> String {
    match kind {
        Some(kind) => kind.to_string(),
        None => match path.extension() {
            Some(extension) => format!("no image: .{}", text::shown(extension)),
            None => "no image".into(),
        },
    }
}

/// The files that were set aside, converted or passed over.
pub(super) fn changes(root: &Path, files: &[Found], outcomes: &[Outcome]) -> Vec<Change> {
    let all = || files.iter().zip(outcomes);
    let named = |of: &dyn Fn(&Outcome) -> Option<String>| -> Vec<String> {
        all()
            .filter_map(|(file, outcome)| {
                let more = of(outcome)?;
                let more = if more.is_empty() { more } else { format!(" ({more})") };
                Some(format!("{}{more}", text::shown(&file.path)))
            })
            .collect()
    };
    let converted = |how: fn(&Converted) -> bool| {
        named(&|outcome| match outcome {
            Outcome::Image(converted) if how(converted) => Some(String::new()),
            _ => None,
        })
    };
    let bad = named(&|outcome| match outcome {
        Outcome::Broken(problem) => Some(problem.clone()),
        _ => None,
    });
    let unreadable = named(&|outcome| match outcome {
        Outcome::Unreadable(problem) => Some(problem.clone()),
        _ => None,
    });
    let passed_over = named(&|outcome| match outcome {
        Outcome::PassedOver(_) => Some(String::new()),
        _ => None,
    });
    let other = named(&|outcome| match outcome {
        Outcome::Other(kind) => Some(kind.to_string()),
        _ => None,
    });
    let first = all().find(|(_, outcome)| matches!(outcome, Outcome::Other(_)));
    let way_out = first.and_then(|(file, outcome)| outcome.hint(&root.join(&file.path)));
    let way_out =
        way_out.map_or(String::new(), |way_out| format!(". {}", way_out.trim_end_matches('.')));
    let (colored, sized) = (converted(|how| how.color), converted(|how| how.size));
    let turned = converted(|how| how.turned);
    let total = text::count(files.len() - passed_over.len() - other.len());
    let images = |names: &[String]| text::plural(names.len(), "image");
    [
        (
            &bad,
            format!(
                "Set aside {} of {total} that can't be decoded",
                text::plural(bad.len(), "file")
            ),
        ),
        (
            &unreadable,
            format!(
                "Set aside {} of {total} that can't be read",
                text::plural(unreadable.len(), "file")
            ),
        ),
        (&colored, format!("Converted {} to 8-bit gray", images(&colored))),
        (&turned, format!("Turned {} upright, as EXIF says", images(&turned))),
        (&sized, format!("Scaled {} to 48×48 pixels", images(&sized))),
        (
            &passed_over,
            format!(
                "Passed over {} that {} no image",
                text::plural(passed_over.len(), "file"),
                text::is_or_are(passed_over.len())
            ),
        ),
        (
            &other,
            format!(
                "Left out {} of {} that {} not read",
                text::plural(other.len(), "picture"),
                if other.len() == 1 { "a kind" } else { "kinds" },
                text::is_or_are(other.len())
            ),
        ),
    ]
    .into_iter()
    .filter(|(names, _)| !names.is_empty())
    .map(|(names, what)| {
        let mut change = Change::of(what, names);
        if std::ptr::eq(names, &other) {
            change.more += &way_out;
        }
        change
    })
    .collect()
}

/// More than half of each class's images can be decoded, or the data is not what it seems.
pub(super) fn check_classes(root: &Path, files: &[Found], outcomes: &[Outcome]) -> Result<()> {
    if files.is_empty() {
        return Err(Error::file(root, "the folders of its classes are empty", LAYOUT));
    }
    if !outcomes.iter().any(|outcome| matches!(outcome, Outcome::Image(_))) {
        let first = files.iter().zip(outcomes).next();
        let (first, hint) = match first {
            Some((file, outcome)) => {
                let hint = outcome.hint(&root.join(&file.path));
                (format!("{} ({})", text::shown(&file.path), outcome.problem()), hint)
            }
            None => ("there is none".into(), None),
        };
        let files = text::plural(files.len(), "file");
        let problem =
            format!("none of the {files} is an image that can be decoded; the first: {first}");
        return Err(Error::file(root, problem, hint.unwrap_or_else(|| LAYOUT.into())));
    }
    let mut start = 0;
    for class in files.chunk_by(|one, next| one.part == next.part && one.emotion == next.emotion) {
        let of_class = outcomes.get(start..start + class.len()).unwrap_or_default();
        start += class.len();
        let is_bad =
            |outcome: &Outcome| !matches!(outcome, Outcome::Image(_) | Outcome::PassedOver(_));
        let bad = of_class.iter().filter(|outcome| is_bad(outcome)).count();
        if 2 * bad <= class.len() {
            continue;
        }
        if let Some((file, outcome)) =
            class.iter().zip(of_class).find(|(_, outcome)| is_bad(outcome))
        {
            let folder = root.join(file.path.parent().unwrap_or(Path::new("")));
            let problem = format!(
                "{} of its {} can't be {}; the first: {} ({})",
                text::count(bad),
                text::plural(class.len(), "file"),
                if of_class.iter().any(|outcome| matches!(outcome, Outcome::Unreadable(_))) {
                    "read"
                } else {
                    "decoded"
                },
                text::shown(file.path.file_name().unwrap_or_default()),
                outcome.problem()
            );
            let hint = outcome.hint(&root.join(&file.path));
            let hint = hint.unwrap_or_else(|| "Copy or convert them again.".into());
            return Err(Error::file(folder, problem, hint));
        }
    }
    Ok(())
}

impl Outcome {
    /// What is wrong, in a few words.
    fn problem(&self) -> String {
        match self {
            Outcome::Image(_) => String::new(),
            Outcome::Other(kind) => kind.to_string(),
            Outcome::Broken(problem)
            | Outcome::Unreadable(problem)
            | Outcome::PassedOver(problem) => problem.clone(),
        }
    }

    /// What helps with this file, in a sentence.
    fn hint(&self, path: &Path) -> Option<String> {
        match self {
            Outcome::Unreadable(_) => {
                let folder = command::path(path.parent().unwrap_or(Path::new("")));
                Some(format!("Where only the permission is missing: chmod -R u+rX {folder}"))
            }
            _ => {
                let way_out = FileKind::at(path)?.way_out(path, Wanted::Photo);
                (!way_out.is_empty()).then_some(way_out)
            }
        }
    }
}
