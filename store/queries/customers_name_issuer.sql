-- customers from before issuers were kept are taken for those of the first issuer that knows them
update customers set issuer = $1 where issuer = '' and sub = $2
