//! `scoreboard`: every law in every scenario, measured against the best limits in hindsight.

use clap::Parser;
use setpoint_integration::scoreboard::{self, Args};

fn main() -> anyhow::Result<()> {
    scoreboard::run(&Args::parse())
}
