-- What is kept of a payment and never looked for by it becomes one document: a field is no column any more.
--
-- Why it looks like this:
-- * No statement looks at a payment by what its provider said of it, and it grows with each provider.
-- * A saga keeps its copy of it beside the charge it knows, so that whatever it writes of a payment is the whole of it.
-- * It breaks older binaries: they write the columns that go.

alter table payments add column details json not null default '{}';
update payments set details = json_strip_nulls(json_build_object(
    'provider_ref', provider_ref,
    'next_action', case when status = 'REQUIRES_ACTION' then next_action end));
alter table payments
    drop column provider_ref,
    drop column next_action;

update sagas
set progress = jsonb_set(sagas.progress::jsonb, '{data,charge,details}', payments.details::jsonb)::json
from payments
where sagas.state not in ('COMPLETED', 'COMPENSATED')
  and payments.order_id = sagas.id >> 8
  and sagas.progress #> '{data,charge}' is not null;
