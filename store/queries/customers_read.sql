-- and one from before issuers were kept, if there is no other
select id, issuer from customers where issuer in ($1, '') and sub = $2 order by issuer desc limit 1
