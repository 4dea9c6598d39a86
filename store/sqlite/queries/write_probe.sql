-- writes the row as it is
update shop set epoch = epoch
