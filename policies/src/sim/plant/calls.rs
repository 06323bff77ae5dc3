//! The calls in the plant, by small numbers that are used again.

/// A call, or an attempt of one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Call {
    /// Of its arrival; attempts of one call share it.
    pub number: u64,
    pub class: u8,
    pub instance: u8,
    /// Attempts before this one.
    pub attempt: u32,
    pub in_flight_at_start: u32,
    /// When it was admitted.
    pub started: f64,
    /// Seconds of work.
    pub work: f64,
    /// Its client has stopped waiting.
    pub given_up: bool,
    /// The service does not work on it.
    pub refused: bool,
}

/// All calls that are somewhere in the plant.
#[derive(Debug, Default)]
pub struct Calls {
    /// With a generation, which changes when the place is used again.
    places: Vec<(u32, Call)>,
    free: Vec<u32>,
}

impl Calls {
    pub fn insert(&mut self, call: Call) -> u32 {
        match self.free.pop() {
            Some(index) => {
                self.places[index as usize].1 = call;
                index
            }
            None => {
                self.places.push((0, call));
                (self.places.len() - 1) as u32
            }
        }
    }

    pub fn at(&mut self, index: u32) -> &mut Call {
        &mut self.places[index as usize].1
    }

    pub fn take(&mut self, index: u32) -> Call {
        let place = &mut self.places[index as usize];
        place.0 = place.0.wrapping_add(1);
        self.free.push(index);
        place.1
    }

    pub fn generation(&self, index: u32) -> u32 {
        self.places[index as usize].0
    }

    /// The client of this call stops waiting; `None` when the call has been answered before.
    pub fn give_up(&mut self, index: u32, generation: u32) -> Option<Call> {
        let (present, call) = &mut self.places[index as usize];
        if *present != generation {
            return None;
        }
        call.given_up = true;
        Some(*call)
    }
}
