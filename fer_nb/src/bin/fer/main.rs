//! `fer`: the crate without a notebook, for long runs and headless machines.
//!
//! Each file is a subcommand. Results go to stdout; an error is one line on stderr, "fer: …". The exit
//! status is 0 on success only: 1 after an error, 2 after invalid arguments, 130 after Ctrl-C.

mod arguments;
mod bench;
mod compare;
mod data;
mod evaluate;
mod export;
mod notebooks;
mod outputs;
mod predict;
mod runs;
#[cfg(feature = "serve")]
mod serve;
mod summary;
mod train;
mod tune;
mod video;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use fer_nb::error::{Error, Result};
pub(crate) use fer_nb::project::quoted;
use fer_nb::project::{fail_large_writes, shown};

/// Facial-emotion recognition on FER2013.
#[derive(Parser)]
#[command(name = "fer", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Data(data::Args),
    Summary(summary::Args),
    Train(train::Args),
    Tune(tune::Args),
    Evaluate(evaluate::Args),
    Compare(compare::Args),
    Runs(runs::Args),
    Predict(predict::Args),
    Export(export::Args),
    #[cfg(feature = "serve")]
    Serve(serve::Args),
    Notebooks(notebooks::Args),
    Bench(bench::Args),
}

/// The exit status of a program that Ctrl-C ended.
pub(crate) const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    repeat_sums();
    fail_large_writes();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if !error.use_stderr() => {
            // clap returns --help and --version as errors; a closed pipe is not an error.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => return usage(&error),
    };
    let done = |()| ExitCode::SUCCESS;
    let result = match cli.command {
        Command::Data(args) => data::run(&args).map(done),
        Command::Summary(args) => summary::run(&args).map(done),
        Command::Train(args) => train::run(&args),
        Command::Tune(args) => tune::run(&args),
        Command::Evaluate(args) => evaluate::run(&args).map(done),
        Command::Compare(args) => compare::run(&args).map(done),
        Command::Runs(args) => runs::run(&args).map(done),
        Command::Predict(args) => predict::run(&args).map(done),
        Command::Export(args) => export::run(&args).map(done),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(&args).map(done),
        Command::Notebooks(args) => notebooks::run(&args).map(done),
        Command::Bench(args) => bench::run(&args).map(done),
    };
    match result {
        Ok(status) => status,
        Err(error) => {
            complain(&error.to_string());
            match error {
                Error::Stopped { .. } => ExitCode::from(INTERRUPTED),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Makes oneMKL, which multiplies matrices for libtorch, sum in the same order in every run. It reads the
/// variable at its first product; a value set by the user stays.
fn repeat_sums() {
    const NAME: &str = "MKL_CBWR";
    if std::env::var_os(NAME).is_none() {
        // SAFETY: no other thread runs yet that could read the environment at the same time.
        unsafe { std::env::set_var(NAME, "AUTO") };
    }
}

/// Prints clap's message without the usage text below it.
fn usage(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    let text = error.to_string();
    let message = match error.kind() {
        DisplayHelpOnMissingArgumentOrSubcommand => "a subcommand is expected",
        _ => text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: "),
    };
    complain(&format!("{message} (see fer --help)"));
    ExitCode::from(2)
}

/// Prints one line to stderr.
pub(crate) fn complain(message: &str) {
    let line = message.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let _ = writeln!(std::io::stderr(), "fer: {}", shown(line));
}

/// Prints text to stdout. A closed pipe (`fer … | head`) is not an error.
pub(crate) fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::io("write", "stdout", error))
        }
        _ => Ok(()),
    }
}
