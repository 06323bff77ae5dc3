//! How long things take.

use fastrand::Rng;

/// A distribution of durations, seconds.
#[derive(Debug, Clone, PartialEq)]
pub enum Distribution {
    /// Always the same.
    Fixed(f64),
    /// Exponential with this mean.
    Exponential(f64),
    /// Sum of `shape` exponentials, with this mean altogether.
    Erlang {
        /// How many.
        shape: u32,
        /// Mean of the sum.
        mean: f64,
    },
    /// Lognormal.
    Lognormal {
        /// Mean of the distribution itself, not of its logarithm.
        mean: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
    /// One of several, each with its share; the shares sum to 1.
    Mixture(Vec<(f64, Distribution)>),
}

impl Distribution {
    /// Its mean, seconds.
    pub fn mean(&self) -> f64 {
        match self {
            Self::Fixed(mean)
            | Self::Exponential(mean)
            | Self::Erlang { mean, .. }
            | Self::Lognormal { mean, .. } => *mean,
            Self::Mixture(parts) => parts.iter().map(|(share, part)| share * part.mean()).sum(),
        }
    }

    /// One draw, seconds.
    pub fn draw(&self, rng: &mut Rng) -> f64 {
        match self {
            Self::Fixed(mean) => *mean,
            Self::Exponential(mean) => mean * exponential(rng),
            Self::Erlang { shape, mean } => {
                (0..*shape).map(|_| exponential(rng)).sum::<f64>() * mean / f64::from((*shape).max(1))
            }
            Self::Lognormal { mean, sigma } => mean * (sigma * normal(rng) - sigma * sigma / 2.0).exp(),
            Self::Mixture(parts) => {
                let mut left = rng.f64();
                let chosen = parts.iter().find(|(share, _)| {
                    left -= share;
                    left < 0.0
                });
                chosen.or(parts.last()).map_or(0.0, |(_, part)| part.draw(rng))
            }
        }
    }
}

/// Exponential with mean 1.
pub fn exponential(rng: &mut Rng) -> f64 {
    -(1.0 - rng.f64()).ln()
}

/// Standard normal (Box and Muller).
fn normal(rng: &mut Rng) -> f64 {
    (2.0 * exponential(rng)).sqrt() * (std::f64::consts::TAU * rng.f64()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_mean_that_is_stated() {
        let half = |part| (0.5, part);
        for distribution in [
            Distribution::Fixed(0.02),
            Distribution::Exponential(0.02),
            Distribution::Erlang { shape: 4, mean: 0.02 },
            Distribution::Lognormal { mean: 0.02, sigma: 1.0 },
            Distribution::Mixture(vec![half(Distribution::Fixed(0.01)), half(Distribution::Fixed(0.03))]),
        ] {
            let mut rng = Rng::with_seed(7);
            let mean = (0..200_000).map(|_| distribution.draw(&mut rng)).sum::<f64>() / 200_000.0;
            assert!((mean / distribution.mean() - 1.0).abs() < 0.02, "{distribution:?}: {mean}");
        }
    }
}
