select at, actor, action, subject, detail, order_id from admin_actions where order_id = $1 order by id
