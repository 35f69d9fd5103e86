"""A merchant kept in a long-lived SQLAlchemy session collects every new payment in its loaded back-populated collection;
seen in workers that keep "reference data" in one module-level Session with expire_on_commit=False.
"""

from __future__ import annotations

import random

from sqlalchemy import ForeignKey, Integer, String, Text, create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload
from sqlalchemy.pool import StaticPool

KIND = "leak"
SPAN = "POST /payments"
ENDPOINTS = [("POST /payments", 2), ("GET /merchants/{id}/balance", 5)]
SITE = "record_payment"
HOLDER = "payments"
REQUIRES = ["sqlalchemy==2.1.9"]
REQUESTS_PER_SECOND = 3
DURATION_S = 1800


class Base(DeclarativeBase):
    pass


class Merchant(Base):
    __tablename__ = "merchant"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    payments: Mapped[list[Payment]] = relationship(back_populates="merchant")


class Payment(Base):
    __tablename__ = "payment"
    id: Mapped[int] = mapped_column(primary_key=True)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchant.id"), index=True)
    cents: Mapped[int] = mapped_column(Integer)
    reference: Mapped[str] = mapped_column(String(40))
    acquirer_response: Mapped[str] = mapped_column(Text)
    merchant: Mapped[Merchant] = relationship(back_populates="payments")


_engine = None
_session = None
_merchants = {}
_rng = random.Random(11)


def setup():
    global _engine, _session
    _engine = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(_engine)
    with Session(_engine) as seed:
        seed.add_all([Merchant(id=n, name=f"Merchant {n}") for n in range(60)])
        seed.commit()
    _session = Session(_engine, expire_on_commit=False)
    for merchant in _session.scalars(select(Merchant).options(selectinload(Merchant.payments))):
        _merchants[merchant.id] = merchant


def record_payment(merchant_id, number):
    payment = Payment(
        merchant=_merchants[merchant_id],
        cents=_rng.randrange(100, 90_000),
        reference=f"PSP-{number:010d}",
        acquirer_response="<Response>" + _rng.randbytes(2_600).hex() + "</Response>",
    )
    _session.add(payment)
    _session.commit()
    return payment.id


def balance(merchant_id):
    with Session(_engine) as session:
        return session.execute(select(func.sum(Payment.cents), func.count()).where(Payment.merchant_id == merchant_id)).one()


def request(i, now, endpoint):
    merchant_id = _rng.randrange(60)
    if endpoint == "POST /payments":
        return {"id": record_payment(merchant_id, i)}
    return {"balance": balance(merchant_id)[0]}


def teardown():
    _merchants.clear()
    _session.close()
    _engine.dispose()
