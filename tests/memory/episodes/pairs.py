"""Pairs of texts, labelled by hand for this project: do they say the same?

``SAME``: beyond doubt, and should merge by themselves. ``PARAPHRASES``: the same in other words; may be put up for
review, must not merge by themselves only where it is wrong to. ``DIFFERENT``: not the same; must never merge.
"""

from __future__ import annotations

SAME = """
Ada lives in Oslo. | Ada lives in Oslo
Ada lives in Oslo | Ada  lives in\tOslo.
I'm allergic to nuts | I am allergic to nuts
I don't eat meat. | I do not eat meat
The server runs Debian | the server runs Debian.
The customer prefers email | Customer prefers email
We've moved to Postgres! | We have moved to Postgres.
It can't be restored | It cannot be restored
They won't renew the contract | They will not renew the contract.
Ada\u2019s key is old | Ada's key is old
She said “ship it” | She said "ship it"
Backups run at 02:00 | Backups run at 02:00.
The budget is 5,000 euros | Budget is 5,000 euros.
He is the owner of the account | He is owner of the account
You're on the Pro plan | You are on the Pro plan
I'll be in Bergen on Monday | I will be in Bergen on Monday
The office, which is in Oslo, is closed at noon | The office which is in Oslo is closed at noon
Deploys happen on Fridays… | Deploys happen on Fridays
She isn't the admin | She is not the admin
The API returns a 404 | API returns 404
They haven't paid | They have not paid.
ﬁle uploads are limited to 10 MB | File uploads are limited to 10 MB
Prefers tea over coffee | prefers tea over coffee
The order was shipped by DHL | Order was shipped by DHL
Uses a dark theme | Uses dark theme
Wir nutzen Postgres. | Wir nutzen Postgres
Der Kunde zahlt per Rechnung. | der Kunde zahlt per Rechnung
The meeting is in room 4 \u2013 bring a badge | The meeting is in room 4 - bring a badge
Ada works at Initech, and Bob works at Globex | Ada works at Initech and Bob works at Globex
The password policy couldn't be changed | The password policy could not be changed
"""

PARAPHRASES = """
Ada prefers to be contacted by email | Ada prefers being contacted by email
The customer likes dark roast coffee | The customer really likes dark roast coffee
Ada works for Initech | Ada is working for Initech
The nightly backup takes place on the Oslo server | The nightly backup happens on the Oslo server
Ada asked for a refund of the invoice | Ada requested a refund of the invoice
The report is written in Python | The report was written in Python
She is responsible for the billing service | She's responsible for the billing service
Our main database is Postgres | Postgres is our main database
The team uses GitLab for reviews | The team uses GitLab for its reviews
Ada enjoys hiking in the mountains | Ada enjoys hiking in mountains a lot
Please write to me in German | Write to me in German please
The customer wants a written quote | The customer wants to have a written quote
Ada's favourite colour is green | Ada's favorite color is green
The build is broken because of a missing header | The build broke because of a missing header
The printer in Bergen jams | The printer in Bergen keeps jamming
Ada is vegetarian | Ada is a vegetarian person
The API key is kept in the vault | The API key is stored in the vault
The customer pays by invoice | The customer is paying by invoice
The login page loads slowly | The login page is slow to load
Ada leads the search team | Ada is the lead of the search team
Bob plays the guitar in a band | Bob plays guitar in the band
Support answers tickets in English and German | Support answers tickets in German and English
The shop in Oslo sells bicycles | The Oslo shop sells bicycles
He drives a red car | He is driving a red car
The cache is cleared when a deploy ends | The cache is cleared whenever a deploy ends
The contract with Globex covers support | The contract with Globex includes support
Ada has a dog called Rex | Ada has a dog named Rex
The migration finished successfully | The migration completed successfully
Der Kunde bevorzugt Kontakt per Mail | Der Kunde bevorzugt den Kontakt per Mail
Das Team nutzt GitLab für Reviews | Das Team benutzt GitLab für Reviews
"""

DIFFERENT = """
number | Keys rotate every 30 days | Keys rotate every 90 days
number | The limit is 10 requests | The limit is 100 requests
number | Order 4711 was shipped | Order 4712 was shipped
number | The price is 9.99 euros | The price is 9.90 euros
number | Version 2.1.0 is deployed | Version 2.1.1 is deployed
number | The budget is 5,000 euros | The budget is 50,000 euros
number | Two servers are down | Three servers are down
number | Ada has one child | Ada has two children
number | The lease ends in room 12 | The lease ends in room 21
number | The token expires after 15 minutes | The token expires after 50 minutes
number | Half of the users agreed | All of the users agreed
number | She ran twice | She ran once
number | Port 8080 is open | Port 8081 is open
number | Error E1234 occurs at startup | Error E1243 occurs at startup
number | The temperature is 5 degrees | The temperature is -5 degrees
number | Each team has a budget | Most teams have a budget
number | The ratio is 1/2 | The ratio is 1/3
number | Call 555-0101 | Call 555-0110
number | Der Vertrag läuft zwei Jahre | Der Vertrag läuft drei Jahre
number | Ticket INC-77 is open | Ticket INC-78 is open
date | The audit is on 2024-05-06 | The audit is on 2024-06-05
date | The meeting is on Monday | The meeting is on Tuesday
date | Ada moved in May | Ada moved in June
date | The invoice came yesterday | The invoice came today
date | Backups run at 02:00 | Backups run at 03:00
date | The lease starts next week | The lease starts next month
date | She called in the morning | She called in the evening
date | The sale ends before Christmas | The sale ends after Christmas
date | Releases happen weekly | Releases happen monthly
date | The contract began in 2021 | The contract began in 2022
date | Das Treffen ist am Montag | Das Treffen ist am Dienstag
date | The outage was last Friday | The outage is next Friday
date | Holidays start on 1 July | Holidays start on 11 July
date | Open since March | Open until March
date | The build runs hourly at minute 5 | The build runs daily at minute 5
name | Ada lives in Oslo | Bob lives in Oslo
name | Ada lives in Oslo | Ada lives in Bergen
name | The contract is with Globex | The contract is with Initech
name | Send the report to Ada | Send the report to Eva
name | We use Postgres | We use MySQL
name | The owner is Mark Berg | The owner is Mark Bjerg
name | Deploy to the EU region | Deploy to the US region
name | The flight goes to Paris | The flight goes to Prague
name | Reviewed by Jon | Reviewed by Jan
name | She likes polish shoes | She likes Polish shoes
name | Der Kunde wohnt in Bonn | Der Kunde wohnt in Köln
name | The manager of Ada is Bob | The manager of Bob is Ada
name | Ada moved from Oslo to Bergen | Ada moved from Bergen to Oslo
name | The key belongs to AcmeCorp | The key belongs to AcmeCo
name | Ask Kim about the invoice | Ask Tim about the invoice
name | Library FooBar is used | Library FooBaz is used
negation | Ada eats meat | Ada does not eat meat
negation | The key may be shared | The key may not be shared
negation | I like coffee | I don't like coffee
negation | The server is reachable | The server isn't reachable
negation | There are open tickets | There are no open tickets
negation | She always pays | She never pays
negation | The backup worked | The backup failed
negation | He can swim | He can't swim
negation | Shipping with insurance | Shipping without insurance
negation | The customer has a contract | The customer has no contract
negation | Der Kunde zahlt | Der Kunde zahlt nicht
negation | Wir haben ein Backup | Wir haben kein Backup
negation | Nobody has access | Somebody has access
negation | Ada likes Bob | Ada dislikes Bob
negation | No, cancel the order | No cancel the order
negation | The tests are not flaky | The tests are flaky
negation | It was never deployed | It was deployed
negation | Neither plan covers this | Either plan covers this
unit | The file has 10 MB | The file has 10 GB
unit | It costs 5 $ | It costs 5 €
unit | The parcel weighs 2 kg | The parcel weighs 2 lb
unit | The distance is 10 km | The distance is 10 miles
unit | The timeout is 30 s | The timeout is 30 ms
unit | The discount is 5 % | The discount is 5 euros
unit | It is 20 degrees Celsius | It is 20 degrees Fahrenheit
unit | The lease runs 6 months | The lease runs 6 years
unit | The cable is 3 m long | The cable is 3 cm long
unit | The fee is 10 dollars | The fee is 10 pounds
mode | Ada will join | Ada might join
mode | You must rotate keys | You should rotate keys
mode | The job can fail | The job will fail
mode | She sometimes works late | She always works late
mode | Refunds are possible | Refunds are possible only
mode | The invoice may be paid late | The invoice must be paid late
mode | Call if it rains | Call unless it rains
mode | Man muss unterschreiben | Man kann unterschreiben
mode | It usually works | It rarely works
mode | About 100 users signed up | Almost 100 users signed up
question | Ada moved to Oslo. | Ada moved to Oslo?
question | The server is down! | The server is down?
question | You paid the invoice | You paid the invoice?
direction | The feature is enabled | The feature is disabled
direction | Traffic went up | Traffic went down
direction | The door is open | The door is closed
direction | We bought the shares | We sold the shares
direction | Turn left at the bank | Turn right at the bank
direction | The request was accepted | The request was rejected
direction | She flies to Oslo | She flies from Oslo
direction | Ada added the user | Ada removed the user
direction | The minimum is 5 | The maximum is 5
sign | The offset is +3 | The offset is -3
sign | Use a_b as the key | Use a-b as the key
sign | Path is /etc/app | Path is etc.app
sign | Run it with a < b | Run it with a > b
other | The red car is sold | The blue car is sold
other | Ada is married | Ada is divorced
other | The customer prefers email | The customer prefers phone
other | She studies physics | She studies chemistry
other | The cat is ill | The dog is ill
other | He works as a nurse | He works as a baker
other | Ada owns the house | Ada rents the house
other | The car belongs to my sister | The car belongs to my brother
other | Coffee with milk | Coffee with sugar
other | The lamp in the kitchen is broken | The lamp in the bathroom is broken
"""


def pairs(block: str) -> list[tuple[str, ...]]:
    """The fields of each line of a block."""
    return [tuple(part.strip() for part in line.split(" | ")) for line in block.strip().splitlines()]
