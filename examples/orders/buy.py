"""Customers buy: `python -m examples.orders.buy`. This is what the web shop's view does."""

from __future__ import annotations

from examples.orders import shop
from examples.orders.tasks import process

PURCHASES = [
    ("Ada Lovelace", "ada@example.com", "4111 1111", {"mug": 2, "ink": 1}),
    ("Jacques Piccard", "jacques@example.com", "4222 2222", {"lamp": 1}),
    ("Grace Hopper", "grace@example.com", "4333 3333", {"tee": 3}),
    ("Nemo", "nemo@example.com", "0000 0000", {"mug": 1}),
    ("Sylvia Earle", "sylvia@example.com", "4555 5555", {"tee": 1, "mug": 1}),
    ("Jules Verne", "jules@example.com", "4666 6666", {"lamp": 5}),
]


def main() -> None:
    shop.create()
    for customer, email, card, basket in PURCHASES:
        order_id = shop.place(customer, email, card, basket)
        ref = process.delay(order_id)
        print(f"order {order_id} of {customer}: job {ref.id}")


if __name__ == "__main__":
    main()
