//! No block starts before everything it reads is there.

use crate::plan::{Nature, Plan};

/// Which blocks' data are there, by what really happened.
pub(crate) struct Order {
    is_done: Vec<bool>,
}

impl Order {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self { is_done: plan.natures.iter().map(|&nature| nature == Nature::DoneBefore).collect() }
    }

    /// A function has returned without an error: the block's data are there from now on.
    pub(crate) fn done(&mut self, block: usize) {
        self.is_done[block] = true;
    }

    /// Whether a check function finds the block done.
    pub(crate) fn is_done(&self, block: usize) -> bool {
        self.is_done[block]
    }

    /// A function starts.
    pub(crate) fn begin(&self, plan: &Plan, block: usize) -> Result<(), String> {
        match plan.inputs[block].iter().find(|&&input| !self.is_done[input]) {
            Some(input) => {
                Err(format!("block {block} starts before block {input}, which it reads"))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    #[test]
    fn a_block_that_starts_before_its_input_is_seen() {
        let mut plans = (0..).map(|seed| Plan::new(&Options::of(seed)));
        let plan = plans.find(|plan| plan.inputs.iter().any(|inputs| inputs.len() == 2)).unwrap();
        let block = plan.inputs.iter().position(|inputs| inputs.len() == 2).unwrap();
        let mut order = Order { is_done: vec![false; plan.num_blocks()] };
        order.done(plan.inputs[block][0]);
        assert!(order.begin(&plan, block).is_err());
        order.done(plan.inputs[block][1]);
        order.begin(&plan, block).unwrap();
        assert!(!order.is_done(block));
    }
}
