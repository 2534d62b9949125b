"""What happens after the customer clicked "buy": stock, payment, invoice, mail.

Each step may run twice and still happens once: stock moves with the order's status, the charge
carries a key, the invoice and the mail are files named after the order.
"""

from __future__ import annotations

from email.message import EmailMessage

import pulpo
from examples.orders import gateway, shop
from examples.orders.pdf import Text, page


@pulpo.job(
    type="orders.process",
    queue="orders",
    retries=6,
    backoff=0.5,
    fatal=(gateway.CardDeclined, LookupError),
    timeout="30s",
)
def process(order_id: int) -> pulpo.Cancel | None:
    """Reserve the goods and charge the card; a silent provider is asked again."""
    order = shop.load(order_id)
    if order.status == "confirmed":
        return pulpo.Cancel(f"order {order_id} is through already")
    if not shop.reserve(order):
        return pulpo.Cancel(f"order {order_id} is sold out")
    key = f"order-{order_id}"
    gateway.charge(shop.OUT / "bank.db", key=key, card=order.card, cents=order.total)
    shop.mark(order, "paid")
    confirm.delay(order_id)
    return None


@pulpo.job(type="orders.confirm", queue="orders", priority=pulpo.LOW)
def confirm(order_id: int) -> None:
    """Write the invoice as a PDF and put a mail with it into the outbox."""
    order = shop.load(order_id)
    pdf = invoice(order)
    mail = EmailMessage()
    mail["From"], mail["To"] = "shop@example.com", order.email
    mail["Subject"] = f"Your order {order_id}"
    mail["Message-ID"] = f"<order-{order_id}@example.com>"
    mail.set_content(f"Dear {order.customer},\n\nthank you! Your invoice is attached.\n")
    mail.add_attachment(
        pdf, maintype="application", subtype="pdf", filename=f"invoice-{order_id}.pdf"
    )
    for folder, name, data in (
        ("invoices", f"invoice-{order_id}.pdf", pdf),
        ("outbox", f"order-{order_id}.eml", bytes(mail)),
    ):
        (shop.OUT / folder).mkdir(exist_ok=True)
        (shop.OUT / folder / name).write_bytes(data)
    shop.mark(order, "confirmed")


def invoice(order: shop.Order) -> bytes:
    """Return the invoice of an order as a PDF."""
    texts = [
        Text(60, 770, "Octopus Supplies", 22, bold=True),
        Text(60, 735, f"Invoice {order.id:06}", 14, bold=True),
        Text(60, 715, order.customer),
    ]
    y = 670
    for line in order.lines:
        texts += [
            Text(60, y, f"{line.quantity} x"),
            Text(100, y, line.name),
            Text(440, y, f"{line.total / 100:>10.2f} €"),
        ]
        y -= 18
    texts.append(Text(440, y - 10, f"{order.total / 100:>10.2f} €", bold=True))
    return page([*texts, Text(60, y - 10, "Total, paid by card", bold=True)])
