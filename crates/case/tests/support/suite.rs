// The contract as tests of the including binary, which has a `store()` to make a new store
// and an `open(address)`.

use support::{contract, processes};

#[test]
fn facts_come_back_as_written_and_the_chain_holds() {
    contract::facts_come_back_as_written_and_the_chain_holds(&store());
}

#[test]
fn a_long_journal_comes_in_batches_and_in_order() {
    contract::a_long_journal_comes_in_batches_and_in_order(&store());
}

#[test]
fn two_appends_on_one_number_never_both_succeed() {
    contract::two_appends_on_one_number_never_both_succeed(&store());
}

#[test]
fn eight_at_once_lose_nothing_and_double_nothing() {
    contract::eight_at_once_lose_nothing_and_double_nothing(&store());
}

#[test]
fn a_step_fact_needs_the_lease_in_force() {
    contract::a_step_fact_needs_the_lease_in_force(&store());
}

#[test]
fn the_lease_is_nobodys_twice_not_even_its_holders() {
    contract::the_lease_is_nobodys_twice_not_even_its_holders(&store());
}

#[test]
fn what_was_recorded_is_not_changed_by_sql() {
    contract::what_was_recorded_is_not_changed_by_sql(&store());
}

#[test]
fn harm_is_found_and_explained_and_never_repaired() {
    contract::harm_is_found_and_explained_and_never_repaired(&store);
}

#[test]
fn a_fact_that_says_more_is_not_read_in_part() {
    contract::a_fact_that_says_more_is_not_read_in_part(&store);
}

#[test]
fn a_newer_schema_is_refused() {
    contract::a_newer_schema_is_refused(&store());
}

#[test]
fn processes_that_make_it_at_once_all_get_it() {
    contract::processes_that_make_it_at_once_all_get_it(&store());
}

#[test]
fn a_killed_writer_leaves_whole_facts_and_loses_none() {
    contract::a_killed_writer_leaves_whole_facts_and_loses_none(&store());
}

/// The writer that a test kills; on its own it writes nothing.
#[test]
fn writer_process() {
    processes::writer(open);
}

/// A process that a test starts; on its own it opens nothing.
#[test]
fn opener_process() {
    processes::opener(open);
}
