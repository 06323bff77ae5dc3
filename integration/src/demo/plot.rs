//! Small plots out of block characters: one line of eighths, the same idea as `▁▂▃▄▅▆▇█` in a commit graph.

/// How values are mapped to heights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// From zero to this.
    Linear(f64),
    /// From the first, shown as the lowest block, to the second, each octave as high as the next.
    Log(f64, f64),
}

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

impl Scale {
    /// 0 to 1 for what lies within the scale.
    fn height(self, value: f64) -> f64 {
        let height = match self {
            Self::Linear(top) => value / top,
            Self::Log(bottom, top) => (value / bottom).log2() / (top / bottom).log2(),
        };
        if height.is_nan() { 0.0 } else { height.clamp(0.0, 1.0) }
    }
}

/// One block per value. What is unknown is a gap, never zero.
pub fn line(values: &[Option<f64>], scale: Scale) -> String {
    let block = |value: &Option<f64>| match value {
        None => ' ',
        Some(value) => BLOCKS[(scale.height(*value) * 7.0).round() as usize],
    };
    values.iter().map(block).collect()
}

/// `values` squeezed or stretched to `columns`; of several in one column the largest is shown, so that no peak is lost.
pub fn columns(values: &[Option<f64>], columns: usize) -> Vec<Option<f64>> {
    let largest = |part: &[Option<f64>]| part.iter().copied().flatten().reduce(f64::max);
    (0..columns)
        .map(|column| {
            let from = column * values.len() / columns;
            let to = ((column + 1) * values.len() / columns).max(from + 1);
            values.get(from..to.min(values.len())).and_then(largest)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(values: &[f64]) -> Vec<Option<f64>> {
        values.iter().copied().map(Some).collect()
    }

    #[test]
    fn golden_lines() {
        let ramp = known(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        assert_eq!(line(&ramp, Scale::Linear(7.0)), "▁▂▃▄▅▆▇█");
        let octaves = known(&[0.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1280.0, 9999.0]);
        assert_eq!(line(&octaves, Scale::Log(10.0, 1280.0)), "▁▁▂▃▄▅▆▇██");
        assert_eq!(line(&[Some(1.0), None, Some(-3.0), Some(f64::NAN)], Scale::Linear(1.0)), "█ ▁▁");
        assert_eq!(line(&known(&[1.0]), Scale::Linear(0.0)), "█");
        assert_eq!(line(&known(&[0.0]), Scale::Linear(0.0)), "▁");
    }

    #[test]
    fn squeezing_keeps_peaks_and_gaps() {
        let values = [Some(1.0), Some(9.0), None, None, Some(3.0), None];
        assert_eq!(columns(&values, 3), [Some(9.0), None, Some(3.0)]);
        assert_eq!(columns(&known(&[1.0, 2.0]), 4), known(&[1.0, 1.0, 2.0, 2.0]));
        assert_eq!(columns(&[], 2), [None, None]);
        assert_eq!(columns(&values, 0), []);
    }
}
