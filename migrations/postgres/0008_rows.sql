-- Rows that come as one JSON text, under the name of the other database's function that does not write each row out as
-- text again before it is read.
create function jsonb_each(rows text) returns table (value jsonb)
language sql immutable parallel safe
as $$ select element from jsonb_array_elements(rows::jsonb) as list (element) $$;

drop function json_each(text);
