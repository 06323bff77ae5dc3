//! Who waits, in what order, and for how long it is worth it. Pure: no clock, no lock, nobody is woken here.
//!
//! | question | answer |
//! |---|---|
//! | who comes next? | the highest priority; within it the oldest, or the newest while that line stands: the newest still has its time, the oldest has lost most of it already |
//! | who must go? | whoever's deadline could not be met any more, and, while its line stands, whoever has waited twice the target |
//! | who makes room when all is full? | whoever of a lower priority would come last |

use std::collections::BTreeMap;

use setpoint_policies::totals::PRIORITIES;

use super::codel::Codel;

/// A place in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::limiter) struct Ticket {
    class: usize,
    /// Of all tickets of the line.
    pub number: u64,
}

impl Ticket {
    /// Of what priority.
    pub const fn class(self) -> usize {
        self.class
    }
}

/// Somebody who waits. Times are nanoseconds.
#[derive(Debug)]
pub(super) struct Waiting<W> {
    /// Since when.
    pub since: u64,
    /// Admitted later, it could not meet its deadline.
    pub latest: u64,
    /// How many places it wants.
    pub places: u32,
    pub who: W,
}

/// Everybody who waits for one limiter.
#[derive(Debug)]
pub(super) struct Line<W> {
    classes: [Class<W>; PRIORITIES],
    waiting: usize,
    room: usize,
    tickets: u64,
}

#[derive(Debug)]
struct Class<W> {
    /// By ticket, so oldest first.
    line: BTreeMap<u64, Waiting<W>>,
    codel: Codel,
}

impl<W> Class<W> {
    fn observe(&mut self, now: u64) {
        let head = self.line.first_key_value().map_or(0, |(_, head)| now.saturating_sub(head.since));
        self.codel.observe(now, head);
    }

    fn next(&self) -> Option<u64> {
        let next =
            if self.codel.overloaded() { self.line.last_key_value() } else { self.line.first_key_value() };
        next.map(|(number, _)| *number)
    }

    fn last(&self) -> Option<u64> {
        let last =
            if self.codel.overloaded() { self.line.first_key_value() } else { self.line.last_key_value() };
        last.map(|(number, _)| *number)
    }

    fn is_late(&self, waiting: &Waiting<W>, now: u64) -> bool {
        now >= waiting.latest || now.saturating_sub(waiting.since) > self.codel.longest_wait()
    }
}

impl<W> Line<W> {
    /// For so many at most.
    pub fn new(room: usize) -> Self {
        let classes = std::array::from_fn(|_| Class { line: BTreeMap::new(), codel: Codel::default() });
        Self { classes, waiting: 0, room, tickets: 0 }
    }

    /// How many wait.
    pub const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Puts somebody in. When all is full, that is somebody of lower priority less, who is to leave: see [`Line::last_below`].
    pub fn enter(&mut self, class: usize, waiting: Waiting<W>) -> Ticket {
        let now = waiting.since;
        self.tickets += 1;
        self.waiting += 1;
        let entry = &mut self.classes[class];
        entry.line.insert(self.tickets, waiting);
        entry.observe(now);
        Ticket { class, number: self.tickets }
    }

    /// Whether there is no room for another one.
    pub const fn is_full(&self) -> bool {
        self.waiting >= self.room
    }

    /// Who makes room for somebody of that priority.
    pub fn last_below(&self, class: usize) -> Option<Ticket> {
        (class + 1..PRIORITIES)
            .rev()
            .find_map(|class| Some(Ticket { class, number: self.classes[class].last()? }))
    }

    /// Takes somebody out.
    pub fn leave(&mut self, ticket: Ticket, now: u64) -> Option<Waiting<W>> {
        let class = &mut self.classes[ticket.class];
        let left = class.line.remove(&ticket.number)?;
        class.observe(now);
        self.waiting -= 1;
        Some(left)
    }

    /// Who comes next.
    pub fn next(&self) -> Option<Ticket> {
        let numbered = self.classes.iter().enumerate();
        numbered.into_iter().find_map(|(class, line)| Some(Ticket { class, number: line.next()? }))
    }

    /// Whether it is too late for somebody.
    pub fn is_late(&self, ticket: Ticket, now: u64) -> bool {
        let class = &self.classes[ticket.class];
        class.line.get(&ticket.number).is_some_and(|waiting| class.is_late(waiting, now))
    }

    /// Everybody for whom it is too late. Looks at all who wait.
    pub fn late(&mut self, now: u64) -> Vec<Ticket> {
        let mut late = Vec::new();
        for (class, entry) in self.classes.iter_mut().enumerate() {
            entry.observe(now);
            let numbers = entry.line.iter().filter(|(_, waiting)| entry.is_late(waiting, now));
            late.extend(numbers.map(|(number, _)| Ticket { class, number: *number }));
        }
        late
    }

    /// Everybody.
    pub fn all(&self) -> Vec<Ticket> {
        let of_class = |(class, entry): (usize, &Class<W>)| {
            entry.line.keys().map(|number| Ticket { class, number: *number }).collect::<Vec<_>>()
        };
        self.classes.iter().enumerate().flat_map(of_class).collect()
    }

    /// Somebody who waits.
    pub fn get(&self, ticket: Ticket) -> Option<&Waiting<W>> {
        self.classes[ticket.class].line.get(&ticket.number)
    }

    /// Somebody who waits.
    pub fn get_mut(&mut self, ticket: Ticket) -> Option<&mut Waiting<W>> {
        self.classes[ticket.class].line.get_mut(&ticket.number)
    }
}
