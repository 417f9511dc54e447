# Operating window of the cells: 2.8 to 3.6 V (brochure B), charge 0 to 45 °C (§2 L1), rated 0.5 C (B).
@cycle
Feature: Charging and discharging
  A normal cycle at rated power stays inside every limit, and the battery gives back what it should.

  Background:
    Given the plant is in operation
    And every cell voltage stays between 2.8 V and 3.6 V throughout [B: operating window]
    And every cell temperature stays between 0 °C and 45 °C throughout [assumption §2: L1 of CHT]
    And every cluster current stays between -165 A and 165 A throughout [B: 0.5 C is 150 A; assumption §2 OCC/OCD: 1.10 x]

  Scenario: A short cycle at 0.5 C
    When the plant discharges at 0.5 C until the state of charge has fallen by 0.25 %
    Then within 10 s the PCS delivers no power [§4: ramp to 0 within 5 s]
    When the plant charges at 0.5 C until the state of charge has risen by 0.25 %
    Then within 10 s the PCS delivers no power [§4: ramp to 0 within 5 s]
    And still the contactors of every cluster are closed
    And still the BAU reports no alarm above level 0

  @long @limit-8h
  Scenario: A full cycle between 10 % and 90 %
    When the plant discharges at 0.5 C until the state of charge is 10 %
    And 30 min pass
    And the plant charges at 0.5 C until the state of charge is 90 %
    And 30 min pass
    And the plant discharges at 0.5 C until the state of charge is 10 %
    Then the round-trip efficiency of the battery is between 95 % and 97 % [B: battery 96 %, to which the cell's resistance is calibrated]
    And the state of charge reported by the BAU is within 5 % of the true one [B: SOC accuracy 5 %]
