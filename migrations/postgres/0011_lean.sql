-- Sets are never deleted, so nobody looks for the conversations of one: each turn kept this up for nothing.
drop index conversation_set;
