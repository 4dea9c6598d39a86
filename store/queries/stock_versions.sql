select stock.sku, stock.version as stock_version, coalesce(products.version, 0) as product_version
from stock left join products on products.sku = stock.sku
